use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::Ipv4HeaderSlice;
use lb_common::{Backend, address::from_ip, decap::Prefix};

use super::{inner::combined, *};
use crate::{
    forward::{
        frames::{Frame, TAGS, Transport, way},
        tunnel::encapsulate,
    },
    parse::Part,
    testing::HostPacket,
};

mod untaken;

const HASH: u64 = 0x0123_4567_89ab_cdef;
const PORT: u16 = 6080;
const MODES: [u8; 3] = [Backend::IPIP, Backend::GUE, Backend::GUE_HEADER];
const BALANCER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200));
const BALANCER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1));

fn everybody() -> Settings {
    Settings::new(PORT, &[])
}

fn frame(v4: bool) -> Frame {
    let (client, vip) = if v4 {
        ("203.0.113.9:40000", "192.0.2.1:443")
    } else {
        ("[2001:db8:9::9]:40000", "[2001:db8::1]:443")
    };
    Frame {
        label: if v4 { 0 } else { 0x12345 },
        ..Frame::new(client, vip, Transport::Tcp, 33)
    }
}

/// The frame as it comes to the backend, with these tags.
fn tunnelled(frame: &Frame, over_v4: bool, mode: u8, tags: [u16; 2]) -> HostPacket {
    let way = way(tags);
    let (ours, theirs) = if over_v4 {
        (BALANCER_V4, "198.51.100.7")
    } else {
        (BALANCER_V6, "2001:db8:2::7")
    };
    let backend = Backend {
        forward: mode,
        ifindex: way.ifindex,
        ethernet: way.ethernet,
        tags: way.tags,
        address: from_ip(theirs.parse().unwrap()),
        ends: from_ip(ours),
        port: PORT.to_be(),
        mtu: 1500,
        hops: 61,
        ..Backend::default()
    };
    let mut packet = frame.packet();
    encapsulate(&mut packet, &frame.parsed(), &backend, HASH).unwrap();
    packet
}

fn plain(frame: &Frame, over_v4: bool, mode: u8) -> HostPacket {
    tunnelled(frame, over_v4, mode, [0, 0])
}

/// Inner IPv4, outer IPv4, mode.
fn combinations() -> impl Iterator<Item = (bool, bool, u8)> {
    [true, false].into_iter().flat_map(|inner| {
        [true, false]
            .into_iter()
            .flat_map(move |outer| MODES.map(|mode| (inner, outer, mode)))
    })
}

fn reason(inner_v4: bool, over_v4: bool, mode: u8) -> Reason {
    match (mode, inner_v4, over_v4) {
        (Backend::GUE, _, _) => Reason::Gue,
        (Backend::GUE_HEADER, _, _) => Reason::GueHeader,
        (_, true, true) => Reason::Ipv4InIpv4,
        (_, false, true) => Reason::Ipv6InIpv4,
        (_, true, false) => Reason::Ipv4InIpv6,
        (_, false, false) => Reason::Ipv6InIpv6,
    }
}

fn taken_out(reason: Reason) -> bool {
    reason != Reason::Passed && !reason.drops()
}

/// Where the inner packet of an untagged frame begins.
fn inner_at(over_v4: bool, mode: u8) -> usize {
    udp_at(over_v4)
        + match mode {
            Backend::GUE => 8,
            Backend::GUE_HEADER => 12,
            _ => 0,
        }
}

/// Where what follows the outer IP header of an untagged frame begins.
fn udp_at(over_v4: bool) -> usize {
    if over_v4 { 34 } else { 54 }
}

/// Makes the checksum of the outer IPv4 header of an untagged frame right again.
fn sum(packet: &mut HostPacket) {
    if packet.bytes[12..14] == [0x08, 0x00] {
        let header = Ipv4HeaderSlice::from_slice(&packet.bytes[14..]).unwrap();
        let sum = header.to_header().calc_header_checksum();
        packet.bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Sees that the frame is taken for `reason` and keeps its bytes.
fn stays(mut packet: HostPacket, settings: &Settings, reason: Reason) {
    let before = packet.clone();
    assert_eq!(decapsulate(&mut packet, settings), reason);
    assert_eq!(packet, before);
}

#[test]
fn every_tunnel_gives_back_what_was_put_in() {
    for (inner_v4, over_v4, mode) in combinations() {
        for tags in TAGS {
            for padding in [0, 9] {
                for part in [Part::Whole, Part::First, Part::Later] {
                    let frame = Frame {
                        padding,
                        part,
                        ..frame(inner_v4)
                    };
                    let mut packet = tunnelled(&frame, over_v4, mode, tags);
                    let taken = decapsulate(&mut packet, &everybody());
                    assert_eq!(taken, reason(inner_v4, over_v4, mode));
                    assert_eq!(packet.bytes, frame.sent(tags).bytes(), "{taken:?} {tags:?}");
                }
            }
        }
    }
}

#[test]
fn options_and_extension_headers_inside_are_content() {
    for (inner_v4, over_v4, mode) in combinations() {
        let options = if inner_v4 {
            vec![1, 1, 1, 1, 1, 1, 1, 0]
        } else {
            vec![0, 0, 1, 4, 0, 0, 0, 0]
        };
        let frame = Frame {
            options,
            ..frame(inner_v4)
        };
        let mut packet = plain(&frame, over_v4, mode);
        assert!(taken_out(decapsulate(&mut packet, &everybody())));
        assert_eq!(packet.bytes, frame.sent([0, 0]).bytes());
    }
}

#[test]
fn every_traffic_class_comes_back() {
    for traffic in 0..=255 {
        for (inner_v4, over_v4, mode) in combinations() {
            let frame = Frame {
                traffic,
                ..frame(inner_v4)
            };
            let mut packet = plain(&frame, over_v4, mode);
            assert!(taken_out(decapsulate(&mut packet, &everybody())));
            assert_eq!(packet.bytes, frame.sent([0, 0]).bytes());
        }
    }
}

/// RFC 6040 section 4.2, figure 4: rows are the inner field Not-ECT, ECT(0), ECT(1), CE; columns the outer one.
#[test]
fn congestion_on_the_way_is_told_as_rfc_6040_says() {
    const FIELDS: [u8; 4] = [0b00, 0b10, 0b01, 0b11];
    const FIGURE: [[Option<u8>; 4]; 4] = [
        [Some(0b00), Some(0b00), Some(0b00), None],
        [Some(0b10), Some(0b10), Some(0b01), Some(0b11)],
        [Some(0b01), Some(0b01), Some(0b01), Some(0b11)],
        [Some(0b11), Some(0b11), Some(0b11), Some(0b11)],
    ];
    for (inner, row) in FIELDS.into_iter().zip(FIGURE) {
        for (outer, expected) in FIELDS.into_iter().zip(row) {
            assert_eq!(combined(inner, outer), expected);
            for (inner_v4, over_v4, mode) in combinations() {
                let sent = Frame {
                    traffic: 0xb4 | inner,
                    ..frame(inner_v4)
                };
                let mut packet = plain(&sent, over_v4, mode);
                let shift = if over_v4 { 0 } else { 4 };
                packet.bytes[15] = packet.bytes[15] & !(3 << shift) | outer << shift;
                sum(&mut packet);
                let Some(expected) = expected else {
                    stays(packet, &everybody(), Reason::Congested);
                    continue;
                };
                let marked = Frame {
                    traffic: 0xb4 | expected,
                    ..sent.sent([0, 0])
                };
                assert!(taken_out(decapsulate(&mut packet, &everybody())));
                assert_eq!(packet.bytes, marked.bytes(), "{inner} {outer}");
            }
        }
    }
}

#[test]
fn only_those_who_may_send_are_let_in() {
    let prefix = |text: &str, length| Prefix::new(text.parse().unwrap(), length);
    let other = prefix("10.0.0.0", 8);
    let mut sixteenth = [other; MAX_SOURCES];
    sixteenth[MAX_SOURCES - 1] = prefix("192.0.2.200", 32);
    for (sources, v4, v6) in [
        (&[][..], true, true),
        (&[other], false, false),
        (&[other, prefix("192.0.2.0", 24)], true, false),
        (&[prefix("2001:db8:1::", 64), other], false, true),
        (&[prefix("0.0.0.0", 0)], true, false),
        (&[prefix("::", 0)], false, true),
        (&sixteenth, true, false),
    ] {
        let settings = Settings::new(PORT, sources);
        for (inner_v4, over_v4, mode) in combinations() {
            let mut packet = plain(&frame(inner_v4), over_v4, mode);
            if if over_v4 { v4 } else { v6 } {
                let taken = decapsulate(&mut packet, &settings);
                assert_eq!(taken, reason(inner_v4, over_v4, mode));
            } else {
                stays(packet, &settings, Reason::Refused);
            }
        }
    }
}
