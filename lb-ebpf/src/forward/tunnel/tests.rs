use std::net::IpAddr;

use etherparse::{
    IpDscp, IpEcn, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, NetSlice, SlicedPacket,
    UdpHeader,
};
use lb_common::address::from_ip;

use super::*;
use crate::forward::frames::{Frame, INGRESS, TAGS, Transport, way};

const HASH: u64 = 0x0123_4567_89ab_cdef;
const MODES: [u8; 3] = [Backend::IPIP, Backend::GUE, Backend::GUE_HEADER];
const HOPS: u8 = 61;

fn backend(v4: bool, mode: u8, tags: [u16; 2]) -> Backend {
    let (ours, theirs) = if v4 {
        ("192.0.2.200", "198.51.100.7")
    } else {
        ("2001:db8:1::1", "2001:db8:2::7")
    };
    let way = way(tags);
    Backend {
        forward: mode,
        ifindex: way.ifindex,
        ethernet: way.ethernet,
        tags: way.tags,
        address: from_ip(theirs.parse().unwrap()),
        ends: from_ip(ours.parse().unwrap()),
        port: 6080_u16.to_be(),
        mtu: 1500,
        hops: HOPS,
        ..Backend::default()
    }
}

fn frame(v4: bool, tags: [u16; 2]) -> Frame {
    let (client, vip) = if v4 {
        ("203.0.113.9:40000", "192.0.2.1:443")
    } else {
        ("[2001:db8:9::9]:40000", "[2001:db8::1]:443")
    };
    Frame {
        tags,
        label: if v4 { 0 } else { 0x12345 },
        ..Frame::new(client, vip, Transport::Tcp, 33)
    }
}

fn overhead(over_v4: bool, mode: u8) -> usize {
    let ip = if over_v4 { 20 } else { 40 };
    ip + match mode {
        Backend::GUE => 8,
        Backend::GUE_HEADER => 12,
        _ => 0,
    }
}

/// The outer packet as etherparse writes it, checksum included.
fn expected(inner: &Frame, over_v4: bool, mode: u8, leaving: [u16; 2]) -> Vec<u8> {
    let packet = inner.ip();
    let carried: u8 = if inner.source.is_ipv4() { 4 } else { 41 };
    let length = (packet.len() + overhead(false, mode) - 40) as u16;
    let udp = UdpHeader {
        source_port: 49152 + (0x4567 & 0x3fff),
        destination_port: 6080,
        length,
        checksum: 0,
    };
    let middle = match mode {
        Backend::GUE => udp.to_bytes().to_vec(),
        Backend::GUE_HEADER => [&udp.to_bytes()[..], &[0, carried, 0, 0]].concat(),
        _ => Vec::new(),
    };
    let protocol = IpNumber(if mode == Backend::IPIP { carried } else { 17 });
    let (outer, front) = if over_v4 {
        let mut ip = Ipv4Header {
            dscp: IpDscp::try_new(inner.traffic >> 2).unwrap(),
            ecn: IpEcn::try_new(inner.traffic & 3).unwrap(),
            total_len: 20 + length,
            identification: if inner.source.is_ipv4() {
                inner.identification
            } else {
                0
            },
            dont_fragment: inner.source.is_ipv6() || inner.dont_fragment,
            time_to_live: HOPS,
            protocol,
            source: [192, 0, 2, 200],
            destination: [198, 51, 100, 7],
            ..Ipv4Header::default()
        };
        ip.header_checksum = ip.calc_header_checksum();
        let front = Frame::new("192.0.2.1:0", "192.0.2.1:0", Transport::Udp, 0);
        (ip.to_bytes().to_vec(), front)
    } else {
        let octets = |text: &str| match text.parse().unwrap() {
            IpAddr::V6(v6) => v6.octets(),
            IpAddr::V4(_) => panic!("not IPv6"),
        };
        let ip = Ipv6Header {
            traffic_class: inner.traffic,
            flow_label: Ipv6FlowLabel::try_new((HASH >> 16) as u32 & 0xf_ffff).unwrap(),
            payload_length: length,
            next_header: protocol,
            hop_limit: HOPS,
            source: octets("2001:db8:1::1"),
            destination: octets("2001:db8:2::7"),
        };
        let front = Frame::new("[::1]:0", "[::1]:0", Transport::Udp, 0);
        (ip.to_bytes().to_vec(), front)
    };
    let padding = vec![0x5a; inner.padding];
    [front.sent(leaving).front(), outer, middle, packet, padding].concat()
}

fn combinations() -> impl Iterator<Item = (bool, bool, u8)> {
    [true, false].into_iter().flat_map(|inner| {
        [true, false]
            .into_iter()
            .flat_map(move |outer| MODES.map(|mode| (inner, outer, mode)))
    })
}

#[test]
fn every_tunnel_carries_every_packet_untouched() {
    for (inner_v4, over_v4, mode) in combinations() {
        for tags in TAGS {
            for leaving in TAGS {
                for padding in [0, 9] {
                    let frame = Frame {
                        padding,
                        ..frame(inner_v4, tags)
                    };
                    let backend = backend(over_v4, mode, leaving);
                    let mut packet = frame.packet();
                    let verdict = encapsulate(&mut packet, &frame.parsed(), &backend, HASH);
                    assert_eq!(verdict, Ok(Verdict::Redirect(9)));
                    let expected = expected(&frame, over_v4, mode, leaving);
                    assert_eq!(packet.bytes, expected, "{inner_v4} {over_v4} {mode}");
                }
            }
        }
    }
}

#[test]
fn an_independent_decoder_finds_the_inner_packet() {
    for (inner_v4, over_v4, mode) in combinations() {
        let frame = frame(inner_v4, [0, 0]);
        let mut packet = frame.packet();
        let backend = backend(over_v4, mode, [0, 0]);
        encapsulate(&mut packet, &frame.parsed(), &backend, HASH).unwrap();
        let sliced = SlicedPacket::from_ethernet(&packet.bytes).unwrap();
        let payload = match sliced.net.unwrap() {
            NetSlice::Ipv4(ip) => ip.payload().payload.to_vec(),
            NetSlice::Ipv6(ip) => ip.payload().payload.to_vec(),
            NetSlice::Arp(_) => panic!("not IP"),
        };
        let middle = overhead(over_v4, mode) - if over_v4 { 20 } else { 40 };
        assert_eq!(payload[middle..], frame.ip());
        if mode == Backend::GUE {
            assert_eq!(payload[8] >> 6, 1, "variant 1");
        }
    }
}

#[test]
fn fragments_and_fragmentable_packets_keep_what_they_are() {
    for part in [
        crate::parse::Part::Whole,
        crate::parse::Part::First,
        crate::parse::Part::Later,
    ] {
        for (inner_v4, over_v4, mode) in combinations() {
            let frame = Frame {
                dont_fragment: false,
                part,
                ..frame(inner_v4, [0, 0])
            };
            let mut packet = frame.packet();
            let backend = backend(over_v4, mode, [0, 0]);
            encapsulate(&mut packet, &frame.parsed(), &backend, HASH).unwrap();
            assert_eq!(packet.bytes, expected(&frame, over_v4, mode, [0, 0]));
        }
    }
}

#[test]
fn every_traffic_class_is_copied() {
    for traffic in 0..=255 {
        for (inner_v4, over_v4, mode) in combinations() {
            let frame = Frame {
                traffic,
                ..frame(inner_v4, [0, 0])
            };
            let mut packet = frame.packet();
            let backend = backend(over_v4, mode, [0, 0]);
            encapsulate(&mut packet, &frame.parsed(), &backend, HASH).unwrap();
            assert_eq!(packet.bytes, expected(&frame, over_v4, mode, [0, 0]));
        }
    }
}

#[test]
fn a_packet_must_fit_with_its_outer_headers() {
    for (inner_v4, over_v4, mode) in combinations() {
        let frame = frame(inner_v4, [0, 0]);
        let fits = frame.parsed().len + overhead(over_v4, mode);
        let mut backend = backend(over_v4, mode, [0, 0]);
        backend.mtu = fits as u16 - 1;
        let mut packet = frame.packet();
        let verdict = encapsulate(&mut packet, &frame.parsed(), &backend, HASH);
        let most = frame.parsed().len as u16 - 1;
        assert_eq!(verdict, Err(Refusal::TooBig(most)));
        assert_eq!(packet, frame.packet(), "nothing has changed");
        backend.mtu += 1;
        assert!(encapsulate(&mut packet, &frame.parsed(), &backend, HASH).is_ok());
    }
}

#[test]
fn a_way_too_narrow_for_the_outer_header_fits_nothing() {
    let frame = frame(true, [0, 0]);
    let mut backend = backend(false, Backend::GUE_HEADER, [0, 0]);
    backend.mtu = 51;
    let verdict = encapsulate(&mut frame.packet(), &frame.parsed(), &backend, HASH);
    assert_eq!(verdict, Err(Refusal::TooBig(0)));
}

#[test]
fn source_ports_are_dynamic_and_follow_the_hash() {
    let frame = frame(true, [0, 0]);
    let backend = backend(true, Backend::GUE, [0, 0]);
    let port = |hash| {
        let mut packet = frame.packet();
        encapsulate(&mut packet, &frame.parsed(), &backend, hash).unwrap();
        u16::from_be_bytes([packet.bytes[34], packet.bytes[35]])
    };
    assert_eq!(port(0), 49152);
    assert_eq!(port(u64::MAX), 65535);
    assert_ne!(port(1 << 32), port(2 << 32));
}

#[test]
fn a_flow_label_is_never_zero() {
    let frame = frame(true, [0, 0]);
    let backend = backend(false, Backend::IPIP, [0, 0]);
    let mut packet = frame.packet();
    encapsulate(&mut packet, &frame.parsed(), &backend, 0).unwrap();
    assert_eq!(packet.bytes[15] & 0x0f, 0x0);
    assert_eq!(packet.bytes[16..18], [0, 1]);
}

#[test]
fn it_returns_by_the_interface_it_came_by() {
    let frame = frame(true, [0, 0]);
    let backend = Backend {
        ifindex: INGRESS,
        ..backend(true, Backend::IPIP, [0, 0])
    };
    let verdict = encapsulate(&mut frame.packet(), &frame.parsed(), &backend, HASH);
    assert_eq!(verdict, Ok(Verdict::Tx));
}
