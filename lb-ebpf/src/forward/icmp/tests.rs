use std::net::{IpAddr, SocketAddr};

use lb_common::address::from_ip;

use super::*;
use crate::{
    fixtures::{HOPS, end, frame, icmp as message, icmp_of, ip, read, sum, tcp, udp, version},
    parse::icmp::{About, parse},
    testing::HostPacket,
};

/// A flow as a backend sees it and as its client sees it, and a router that sends errors about it.
struct Case {
    router: IpAddr,
    /// Source and destination of what the backend sends.
    backend: (SocketAddr, SocketAddr),
    /// Source and destination of what the client sees of that.
    client: (SocketAddr, SocketAddr),
}

fn cases() -> [Case; 2] {
    [
        Case {
            router: "203.0.113.250".parse().unwrap(),
            backend: (end("10.1.2.3:8080"), end("10.9.9.9:50123")),
            client: (end("192.0.2.1:443"), end("198.51.100.7:40001")),
        },
        Case {
            router: "2001:db8:99::fa".parse().unwrap(),
            backend: (end("[fd00:1::3]:8080"), end("[fd00:9::9]:50123")),
            client: (end("[2001:db8:1::1]:443"), end("[2001:db8:7::7]:40001")),
        },
    ]
}

/// Too big, with an MTU; its type, code and the rest of its header.
fn start(address: IpAddr) -> ([u8; 2], [u8; 4]) {
    match address {
        IpAddr::V4(_) => ([3, 4], [0, 0, 0x05, 0x14]),
        IpAddr::V6(_) => ([2, 0], [0, 0, 0x05, 0x14]),
    }
}

/// The packet of an error from `source` to `destination` that quotes `quote`.
fn error(source: IpAddr, destination: IpAddr, quote: &[u8]) -> Vec<u8> {
    let (start, rest) = start(source);
    let said = message(source, destination, start, rest, quote);
    ip(source, destination, icmp_of(source), &[], &said)
}

/// Translates the error of a frame, which is about what `client` saw, for the one who sent `backend`.
fn translated(case: &Case, packet: &mut HostPacket, l3: usize) -> Option<()> {
    let (source, destination) = case.backend;
    let version = version(case.router);
    let l4 = l3 + if source.is_ipv4() { 20 } else { 40 };
    let about = parse(packet, version, l4, packet.bytes.len() - l4);
    let Ok(About::Error(subject)) = about else {
        panic!("{about:?}");
    };
    let [a, b] = source.port().to_be_bytes();
    let [c, d] = destination.port().to_be_bytes();
    let inner = (
        from_ip(source.ip()),
        from_ip(destination.ip()),
        u32::from_ne_bytes([a, b, c, d]),
    );
    let outer = (from_ip(case.router), from_ip(source.ip()));
    translate(packet, version, l3, l4, &subject.quote, outer, inner)
}

/// Sees to it that an error with `quote`, about what the client saw, becomes one with `expected` for the backend.
fn becomes(case: &Case, tags: usize, quote: &[u8], expected: &[u8]) {
    let (mut packet, l3) = frame(tags, &error(case.router, case.client.0.ip(), quote));
    let front = packet.bytes[..l3].to_vec();
    translated(case, &mut packet, l3).unwrap();
    assert_eq!(packet.bytes[..l3], front);
    let to = case.backend.0.ip();
    let mut wanted = read(&frame(tags, &error(case.router, to, expected)).0);
    wanted.hops = HOPS - 1;
    assert_eq!(read(&packet), wanted);
}

/// NOPs, or hop-by-hop and destination options.
fn extra(address: IpAddr) -> &'static [u8] {
    match address {
        IpAddr::V4(_) => &[1; 8],
        IpAddr::V6(_) => &[0, 60],
    }
}

type Ends = (SocketAddr, SocketAddr);

/// Quotes both forms of a packet, cut at every length, with tags and inner options.
fn at_every_length(transport: impl Fn(Ends) -> (u8, Vec<u8>)) {
    for case in cases() {
        for (tags, extra) in [(0, &[][..]), (1, &[]), (2, extra(case.router))] {
            let [seen, sent] = [case.client, case.backend].map(|ends| {
                let (protocol, bytes) = transport(ends);
                ip(ends.0.ip(), ends.1.ip(), protocol, extra, &bytes)
            });
            let (protocol, bytes) = transport(case.client);
            let at = seen.len() - bytes.len();
            let checksum = at + if protocol == TCP { 16 } else { 6 };
            for len in at + 4..=seen.len() {
                let mut sent = sent[..len].to_vec();
                if len == checksum + 1 {
                    // Nothing can be made of half a checksum.
                    sent[checksum] = seen[checksum];
                }
                becomes(&case, tags, &seen[..len], &sent);
            }
        }
    }
}

#[test]
fn tcp_gets_back_what_it_was_sent_with() {
    at_every_length(|(from, to)| (TCP, tcp(from, to, |tcp| tcp.ack = true, b"some data")));
}

#[test]
fn udp_gets_back_what_it_was_sent_with() {
    at_every_length(|(from, to)| (UDP, udp(from, to, b"some data")));
}

#[test]
fn a_datagram_without_checksum_keeps_none() {
    at_every_length(|(from, to)| {
        let mut datagram = udp(from, to, b"some data");
        datagram[6..8].fill(0);
        (UDP, datagram)
    });
}

#[test]
fn a_checksum_of_udp_that_comes_out_as_0_is_written_as_ffff() {
    for case in cases() {
        let (from, to) = case.backend;
        // With its own checksum as payload a datagram adds up to 0.
        let payload: [u8; 2] = udp(from, to, &[0, 0])[6..8].try_into().unwrap();
        let [seen, sent] = [case.client, case.backend].map(|(from, to)| {
            let datagram = udp(from, to, &payload);
            ip(from.ip(), to.ip(), UDP, &[], &datagram)
        });
        assert_eq!(sent[sent.len() - 4..sent.len() - 2], [0xff, 0xff]);
        becomes(&case, 0, &seen, &sent);
    }
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    for case in cases() {
        let (from, to) = case.client;
        let quote = ip(from.ip(), to.ip(), UDP, &[], &udp(from, to, b"some data"));
        let (mut packet, l3) = frame(0, &error(case.router, from.ip(), &quote));
        *packet.bytes.last_mut().unwrap() ^= 1;
        let sum = |packet: &HostPacket, to| {
            let message = &packet.bytes[packet.bytes.len() - quote.len() - 8..];
            sum(case.router, to, icmp_of(to), message).ones_complement()
        };
        let before = sum(&packet, from.ip());
        translated(&case, &mut packet, l3).unwrap();
        assert_ne!(before, 0);
        assert_eq!(sum(&packet, case.backend.0.ip()), before);
    }
}

#[test]
fn an_error_whose_hop_limit_runs_out_goes_nowhere() {
    for case in cases() {
        let (from, to) = case.client;
        let quote = ip(from.ip(), to.ip(), UDP, &[], &udp(from, to, b"some data"));
        let mut bytes = error(case.router, from.ip(), &quote);
        let at = if from.is_ipv4() { 8 } else { 7 };
        for (hops, goes) in [(0, false), (1, false), (2, true)] {
            bytes[at] = hops;
            let (mut packet, l3) = frame(0, &bytes);
            assert_eq!(translated(&case, &mut packet, l3).is_some(), goes, "{hops}");
        }
    }
}

#[test]
fn nothing_is_translated_between_families() {
    let [v4, v6] = cases();
    for (case, other) in [(&v4, &v6), (&v6, &v4)] {
        let (from, to) = case.client;
        let quote = ip(from.ip(), to.ip(), UDP, &[], &udp(from, to, b"some data"));
        let (packet, l3) = frame(0, &error(case.router, from.ip(), &quote));
        for (router, backend) in [
            (other.router, case.backend),
            (case.router, other.backend),
            (case.router, (case.backend.0, other.backend.1)),
        ] {
            let case = Case {
                router,
                backend,
                client: case.client,
            };
            let mut packet = packet.clone();
            let of = version(from.ip());
            let l4 = packet.bytes.len() - quote.len() - 8;
            let Ok(About::Error(subject)) = parse(&packet, of, l4, quote.len() + 8) else {
                panic!("no error");
            };
            let (source, destination) = case.backend;
            let outer = (from_ip(case.router), from_ip(source.ip()));
            let inner = (from_ip(source.ip()), from_ip(destination.ip()), 0);
            let result = translate(&mut packet, of, l3, l4, &subject.quote, outer, inner);
            assert_eq!(result, None);
        }
    }
}
