use std::net::IpAddr;

use lb_common::{TCP, UDP};

use super::*;
use crate::fixtures::{
    OUR_MAC, answer, end, flows, frame, icmp as message, icmp_of, ip, tcp, udp, version,
};
use crate::testing::HostPacket;

const TOO_BIG: Error = Error::TooBig { mtu: 1400 };

/// Type and code, and the rest of the header.
fn header(address: IpAddr, what: Error) -> ([u8; 2], [u8; 4]) {
    match (address, what) {
        (IpAddr::V4(_), Error::TooBig { mtu }) => ([3, 4], mtu.min(0xffff).to_be_bytes()),
        (IpAddr::V4(_), Error::Expired) => ([11, 0], [0; 4]),
        (IpAddr::V6(_), Error::TooBig { mtu }) => ([2, 0], mtu.to_be_bytes()),
        (IpAddr::V6(_), Error::Expired) => ([3, 0], [0; 4]),
    }
}

/// Sees to it that the error about `packet`, from `source` to `destination`, quotes `quoted` bytes of it.
fn quotes(
    tags: usize,
    (source, destination): (IpAddr, IpAddr),
    packet: &[u8],
    what: Error,
    quoted: usize,
) {
    let (mut frame, l3) = frame(tags, packet);
    // Ethernet's padding is not quoted.
    frame.bytes.extend([0; 9]);
    error(&mut frame, version(source), l3, what).unwrap();
    let read = answer(tags, &frame);
    assert_eq!((read.source, read.destination), (destination, source));
    assert_eq!((read.hops, read.protocol), (64, icmp_of(source)));
    assert!(read.extra.is_empty());
    let (start, rest) = header(source, what);
    let quote = &packet[..quoted];
    assert_eq!(
        read.payload,
        message(destination, source, start, rest, quote)
    );
}

#[test]
fn a_long_packet_is_quoted_in_part() {
    for (client, vip) in flows() {
        let ends = (client.ip(), vip.ip());
        let extra: &[u8] = if client.is_ipv4() { &[1; 40] } else { &[0, 60] };
        for tags in 0..3 {
            for what in [TOO_BIG, Error::Expired] {
                let segment = tcp(client, vip, |tcp| tcp.ack = true, &[0xee; 1431]);
                let plain = ip(ends.0, ends.1, TCP, &[], &segment);
                quotes(tags, ends, &plain, what, 128);
                let more = ip(ends.0, ends.1, TCP, extra, &segment);
                quotes(tags, ends, &more, what, 128);
            }
        }
    }
}

#[test]
fn a_short_packet_is_quoted_whole_in_words() {
    for (client, vip) in flows() {
        let ends = (client.ip(), vip.ip());
        let least = if client.is_ipv4() { 28 } else { 48 };
        for (more, quoted) in [(0, 0), (3, 0), (4, 4), (5, 4), (7, 4), (8, 8)] {
            let datagram = udp(client, vip, &vec![0xee; more]);
            let packet = ip(ends.0, ends.1, UDP, &[], &datagram);
            quotes(1, ends, &packet, Error::Expired, least + quoted);
        }
    }
}

#[test]
fn an_mtu_that_does_not_fit_is_the_largest_that_does() {
    for (client, vip) in flows() {
        let packet = ip(client.ip(), vip.ip(), UDP, &[], &udp(client, vip, b"data"));
        let what = Error::TooBig { mtu: 0x0001_0001 };
        quotes(0, (client.ip(), vip.ip()), &packet, what, packet.len());
    }
}

#[test]
fn an_echo_request_and_a_first_fragment_may_be_answered() {
    for (client, vip) in flows() {
        let ends = (client.ip(), vip.ip());
        let echo = if client.is_ipv4() { 8 } else { 128 };
        let request = message(ends.0, ends.1, [echo, 0], [0, 1, 0, 1], b"data");
        let packet = ip(ends.0, ends.1, icmp_of(ends.0), &[], &request);
        quotes(0, ends, &packet, TOO_BIG, packet.len());
        let packet = fragment(ends, 0, &udp(client, vip, b"data"));
        quotes(0, ends, &packet, TOO_BIG, packet.len());
    }
}

/// A fragment at `offset`, which more fragments follow.
fn fragment(ends: (IpAddr, IpAddr), offset: u16, payload: &[u8]) -> Vec<u8> {
    let v4 = ends.0.is_ipv4();
    let extra: &[u8] = if v4 { &[] } else { &[44] };
    let mut packet = ip(ends.0, ends.1, UDP, extra, payload);
    let (at, word) = if v4 {
        (6, 0x2000 | (offset / 8))
    } else {
        (42, offset | 1)
    };
    packet[at..at + 2].copy_from_slice(&word.to_be_bytes());
    packet
}

fn is_never_answered(mut packet: HostPacket, version: Version, l3: usize) {
    let before = packet.clone();
    assert_eq!(error(&mut packet, version, l3, TOO_BIG), None);
    assert_eq!(packet, before);
}

#[test]
fn no_error_is_about_an_error() {
    for (client, vip) in flows() {
        let (client, vip) = (client.ip(), vip.ip());
        let kinds: &[u8] = if client.is_ipv4() {
            &[3, 4, 5, 11, 12]
        } else {
            &[1, 2, 3, 4, 127, 137]
        };
        for kind in kinds {
            let said = message(client, vip, [*kind, 0], [0; 4], &[0x45; 48]);
            let (packet, l3) = frame(0, &ip(client, vip, icmp_of(client), &[], &said));
            is_never_answered(packet, version(vip), l3);
        }
    }
}

#[test]
fn no_error_is_about_a_later_fragment() {
    for (client, vip) in flows() {
        let packet = fragment((client.ip(), vip.ip()), 8, &udp(client, vip, b"data"));
        let (packet, l3) = frame(1, &packet);
        is_never_answered(packet, version(vip.ip()), l3);
    }
}

#[test]
fn no_error_goes_to_or_is_about_more_than_one_host() {
    for (client, vip) in [
        ("0.0.0.0:1", "192.0.2.1:443"),
        ("127.0.0.1:1", "192.0.2.1:443"),
        ("224.0.0.1:1", "192.0.2.1:443"),
        ("255.255.255.255:1", "192.0.2.1:443"),
        ("198.51.100.7:1", "233.252.0.1:443"),
        ("198.51.100.7:1", "255.255.255.255:443"),
        ("[::]:1", "[2001:db8:1::1]:443"),
        ("[::1]:1", "[2001:db8:1::1]:443"),
        ("[ff02::1]:1", "[2001:db8:1::1]:443"),
        ("[2001:db8:7::7]:1", "[ff0e::1]:443"),
    ] {
        let (client, vip) = (end(client), end(vip));
        let datagram = udp(client, vip, b"data");
        let (packet, l3) = frame(0, &ip(client.ip(), vip.ip(), UDP, &[], &datagram));
        is_never_answered(packet, version(vip.ip()), l3);
    }
    for (client, vip) in flows() {
        let datagram = udp(client, vip, b"data");
        let (mut packet, l3) = frame(0, &ip(client.ip(), vip.ip(), UDP, &[], &datagram));
        packet.bytes[0] = OUR_MAC[0] | 1;
        is_never_answered(packet, version(vip.ip()), l3);
    }
}

#[test]
fn a_frame_that_is_not_what_it_says_is_not_answered() {
    for (client, vip) in flows() {
        let datagram = udp(client, vip, b"data");
        let (whole, l3) = frame(0, &ip(client.ip(), vip.ip(), UDP, &[], &datagram));
        let mut short = whole.clone();
        short.bytes.pop();
        is_never_answered(short, version(vip.ip()), l3);
        let mut inner = whole.clone();
        inner.bytes.splice(14..14, [0x81, 0, 0, 1, 0x81, 0]);
        is_never_answered(inner, version(vip.ip()), l3 + 6);
        if vip.is_ipv4() {
            let mut longer = whole.clone();
            longer.bytes[l3] = 0x4f;
            is_never_answered(longer, Version::V4, l3);
        }
    }
}
