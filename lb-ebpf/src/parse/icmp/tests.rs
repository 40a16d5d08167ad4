use std::net::SocketAddr;

use lb_common::address::from_ip;

use super::*;
use crate::{
    fixtures::{flows, frame, icmp as message, icmp_of, ip, tcp, udp, version},
    testing::HostPacket,
};

/// Where the message of every frame here begins, for an address of its packet.
fn l4(end: SocketAddr) -> usize {
    18 + if end.is_ipv4() { 20 } else { 40 }
}

/// A frame with a message of `start` to the client of a flow, which quotes `quote`.
fn error((client, vip): (SocketAddr, SocketAddr), start: [u8; 2], quote: &[u8]) -> HostPacket {
    let (from, to) = (vip.ip(), client.ip());
    let said = message(from, to, start, [0; 4], quote);
    frame(1, &ip(from, to, icmp_of(to), &[], &said)).0
}

/// What the message of a frame is about.
fn about((_, vip): (SocketAddr, SocketAddr), packet: &HostPacket) -> Result<About, Reason> {
    let l4 = l4(vip);
    parse(packet, version(vip.ip()), l4, packet.bytes.len() - l4)
}

/// Type and code of an error in transit.
fn expired(end: SocketAddr) -> [u8; 2] {
    if end.is_ipv4() { [11, 0] } else { [3, 0] }
}

#[test]
fn types_and_codes_say_what_became_of_it() {
    use Kind::{Expired, ParameterProblem, TooBig, Unreachable};
    let [v4, v6] = [
        [
            ([3, 0], Unreachable),
            ([3, 3], Unreachable),
            ([3, 4], TooBig),
            ([11, 0], Expired),
            ([11, 1], Expired),
            ([12, 0], ParameterProblem),
        ],
        [
            ([1, 4], Unreachable),
            ([1, 0], Unreachable),
            ([2, 0], TooBig),
            ([3, 0], Expired),
            ([3, 1], Expired),
            ([4, 1], ParameterProblem),
        ],
    ];
    for (flow, table) in flows().into_iter().zip([v4, v6]) {
        let (client, vip) = flow;
        for (protocol, transport) in [
            (TCP, tcp(client, vip, |_| {}, b"data")),
            (UDP, udp(client, vip, b"data")),
        ] {
            let quote = ip(client.ip(), vip.ip(), protocol, &[], &transport);
            for (start, kind) in table {
                let inner = l4(vip) + 8;
                let subject = Subject {
                    kind,
                    quote: Quote {
                        version: version(vip.ip()),
                        inner,
                        transport: inner + quote.len() - transport.len(),
                        protocol,
                    },
                    source: from_ip(client.ip()),
                    destination: from_ip(vip.ip()),
                    ports: u32::from_ne_bytes(*transport.first_chunk().unwrap()),
                };
                let packet = error(flow, start, &quote);
                assert_eq!(about(flow, &packet), Ok(About::Error(subject)));
            }
        }
    }
}

#[test]
fn an_echo_request_is_told_from_the_rest() {
    let [v4, v6]: [&[_]; 2] = [
        &[[0, 0], [4, 0], [5, 1], [8, 1], [9, 0], [13, 0]],
        &[
            [129, 0],
            [128, 1],
            [133, 0],
            [134, 0],
            [135, 0],
            [137, 0],
            [100, 0],
        ],
    ];
    for (flow, others) in flows().into_iter().zip([v4, v6]) {
        let (client, vip) = flow;
        let request = if vip.is_ipv4() { [8, 0] } else { [128, 0] };
        let packet = error(flow, request, b"");
        assert_eq!(about(flow, &packet), Ok(About::Echo));
        let quote = ip(client.ip(), vip.ip(), UDP, &[], &udp(client, vip, b""));
        for start in others {
            assert_eq!(about(flow, &error(flow, *start, &quote)), Ok(About::Other));
        }
    }
}

/// Where the transport header of a quoted packet with `extra` is found, behind the quoted IP header.
fn found(flow: (SocketAddr, SocketAddr), extra: &[u8]) -> Option<usize> {
    let (client, vip) = flow;
    let quote = ip(
        client.ip(),
        vip.ip(),
        UDP,
        extra,
        &udp(client, vip, b"data"),
    );
    match about(flow, &error(flow, expired(vip), &quote)) {
        Ok(About::Error(subject)) => {
            assert_eq!(subject.quote.protocol, UDP);
            Some(subject.quote.transport - subject.quote.inner)
        }
        Ok(About::Other) => None,
        odd => panic!("{odd:?}"),
    }
}

#[test]
fn options_and_extension_headers_are_skipped() {
    let [v4, v6] = flows();
    for words in 0..=10 {
        assert_eq!(found(v4, &vec![1; 4 * words]), Some(20 + 4 * words));
    }
    assert_eq!(found(v6, &[0, 43, 60, 44]), Some(40 + 32));
    assert_eq!(found(v6, &[135, 139, 140]), Some(40 + 24));
    assert_eq!(found(v6, &[0, 43, 60, 44, 60]), None, "one too many");
    assert_eq!(found(v6, &[50]), None, "nobody can look into ESP");
}

#[test]
fn the_length_of_an_extension_header_counts() {
    let flow = flows()[1];
    let (client, vip) = flow;
    for (number, len, bytes) in [(60, 2, 24), (51, 4, 24), (44, 255, 8)] {
        let mut payload = vec![17, len];
        payload.resize(bytes, 0);
        payload.extend(udp(client, vip, b"data"));
        let quote = ip(client.ip(), vip.ip(), number, &[], &payload);
        let About::Error(subject) = about(flow, &error(flow, [3, 0], &quote)).unwrap() else {
            panic!("no error");
        };
        assert_eq!(subject.quote.transport - subject.quote.inner, 40 + bytes);
        assert_eq!(subject.quote.protocol, UDP);
    }
}

#[test]
fn what_has_no_ports_is_for_the_host() {
    for flow in flows() {
        let (client, vip) = flow;
        let (from, to) = (client.ip(), vip.ip());
        let echo = message(from, to, [8, 0], [0; 4], b"data");
        let quote = ip(from, to, icmp_of(from), &[], &echo);
        let packet = error(flow, expired(vip), &quote);
        assert_eq!(about(flow, &packet), Ok(About::Other));

        let extra: &[u8] = if vip.is_ipv4() { &[] } else { &[44] };
        let mut quote = ip(from, to, UDP, extra, &udp(client, vip, b"data"));
        let at = if vip.is_ipv4() { 7 } else { 43 };
        quote[at] = 8;
        let packet = error(flow, expired(vip), &quote);
        assert_eq!(about(flow, &packet), Ok(About::Other));
    }
}

#[test]
fn the_quote_reaches_to_the_ports() {
    for flow in flows() {
        let (client, vip) = flow;
        let extra: &[u8] = if vip.is_ipv4() { &[1; 8] } else { &[0] };
        let segment = tcp(client, vip, |_| {}, b"");
        let quote = ip(client.ip(), vip.ip(), TCP, extra, &segment);
        let enough = quote.len() - segment.len() + 4;
        for len in 0..enough {
            let mut packet = error(flow, expired(vip), &quote[..len]);
            // Padding behind the packet is none of the quote.
            packet.bytes.extend([0; 60]);
            let l4 = l4(vip);
            let result = parse(&packet, version(vip.ip()), l4, 8 + len);
            assert_eq!(result, Err(Reason::Truncated), "{len}");
        }
        let packet = error(flow, expired(vip), &quote[..enough]);
        assert!(matches!(about(flow, &packet), Ok(About::Error(_))));
        let mut short = packet.clone();
        short.bytes.pop();
        let len = packet.bytes.len() - l4(vip);
        let result = parse(&short, version(vip.ip()), l4(vip), len);
        assert_eq!(
            result,
            Err(Reason::Truncated),
            "the frame is shorter than it says"
        );
        let result = parse(&packet, version(vip.ip()), l4(vip), 7);
        assert_eq!(result, Err(Reason::Truncated));
    }
}

#[test]
fn a_quote_of_the_other_version_is_refused() {
    let [v4, v6] = flows();
    for (flow, other) in [(v4, v6), (v6, v4)] {
        let datagram = udp(other.0, other.1, b"some data");
        let quote = ip(
            other.0.ip(),
            other.1.ip(),
            UDP,
            &[],
            &[&datagram[..], &[0; 40]].concat(),
        );
        let packet = error(flow, expired(flow.1), &quote);
        assert_eq!(about(flow, &packet), Err(Reason::BadIpHeader));
    }
    let mut quote = ip(v4.0.ip(), v4.1.ip(), UDP, &[], &udp(v4.0, v4.1, b"data"));
    quote[0] = 0x44;
    assert_eq!(
        about(v4, &error(v4, [11, 0], &quote)),
        Err(Reason::BadIpHeader)
    );
}
