//! Translation between the families.

use super::*;

/// What etherparse makes of `frame` in the other family one hop later.
fn expected(frame: &Frame, source: SocketAddr, destination: SocketAddr, tags: [u16; 2]) -> Frame {
    let parsed = frame.parsed();
    let field = parsed.l4 + if parsed.is_tcp() { 16 } else { 6 };
    let bytes = frame.bytes();
    let len = frame.ip().len() - (parsed.l4 - parsed.l3) + 20;
    let dont_fragment = frame.part == Part::Whole && len > 1260;
    // A fragment keeps its own; a whole packet has one where it may be fragmented.
    let identification = match (frame.part, dont_fragment) {
        (Part::Whole, true) => 0,
        (Part::Whole, false) => u16::from_be_bytes([bytes[field], bytes[field + 1]]),
        _ => frame.identification,
    };
    Frame {
        source,
        destination,
        hops: frame.hops - 1,
        label: 0,
        options: Vec::new(),
        dont_fragment,
        identification,
        ..frame.sent(tags)
    }
}

fn run(
    frame: &Frame,
    to: [&str; 2],
    tags: [u16; 2],
    mtu: u16,
) -> (Result<Verdict, Refusal>, Vec<u8>) {
    let [source, destination] = to.map(|end| end.parse().unwrap());
    let mut packet = frame.packet();
    let verdict = translate_across(
        &mut packet,
        &frame.parsed(),
        &ends(source, destination),
        &way(tags),
        mtu,
    );
    (verdict, packet.bytes)
}

fn assert_translated(frame: &Frame, to: [&str; 2], tags: [u16; 2]) {
    let [source, destination] = to.map(|end| end.parse().unwrap());
    let (verdict, bytes) = run(frame, to, tags, 1500);
    assert_eq!(verdict, Ok(Verdict::Redirect(9)));
    let expected = expected(frame, source, destination, tags);
    assert_eq!(bytes, expected.bytes(), "{frame:?}");
}

fn assert_refused(frame: &Frame, to: [&str; 2], mtu: u16, refusal: Refusal) {
    let (verdict, bytes) = run(frame, to, TAGS[0], mtu);
    assert_eq!(verdict, Err(refusal));
    assert_eq!(bytes, frame.bytes(), "nothing has changed");
}

#[test]
fn the_header_becomes_the_other_familys() {
    for ([client, vip, _, _], [_, _, source, destination]) in [(V4, V6), (V6, V4)] {
        for transport in [Transport::Tcp, Transport::Udp] {
            for payload in [0, 1, 32, 33, 1400] {
                for tags in TAGS {
                    for leaving in TAGS {
                        let frame = Frame {
                            tags,
                            padding: 3,
                            label: if client == V4[0] { 0 } else { 0x12345 },
                            ..Frame::new(client, vip, transport.clone(), payload)
                        };
                        assert_translated(&frame, [source, destination], leaving);
                    }
                }
            }
        }
    }
}

#[test]
fn options_are_left_out_whatever_their_length() {
    for words in 1..=10 {
        let frame = Frame {
            options: vec![1; 4 * words],
            ..Frame::new(V4[0], V4[1], Transport::Tcp, 7)
        };
        for leaving in TAGS {
            assert_translated(&frame, [V6[2], V6[3]], leaving);
        }
    }
}

#[test]
fn extension_headers_are_left_out() {
    for words in 1..=3 {
        let mut options = vec![0; 8 * words];
        options[1] = words as u8 - 1;
        let frame = Frame {
            options,
            ..Frame::new(V6[0], V6[1], Transport::Udp, 7)
        };
        assert_translated(&frame, [V4[2], V4[3]], TAGS[1]);
    }
}

#[test]
fn a_source_route_that_goes_on_is_refused() {
    for kind in [131, 137] {
        let routed = |pointer| Frame {
            options: vec![1, kind, 7, pointer, 192, 0, 2, 9],
            ..Frame::new(V4[0], V4[1], Transport::Tcp, 7)
        };
        let to = [V6[2], V6[3]];
        assert_refused(&routed(4), to, 1500, Refusal::Untranslatable);
        assert_refused(&routed(7), to, 1500, Refusal::Untranslatable);
        assert_translated(&routed(8), to, TAGS[0]);
    }
}

#[test]
fn a_small_ipv4_packet_may_be_fragmented() {
    let frame = |payload| Frame::new(V6[0], V6[1], Transport::Tcp, payload);
    let flags = |payload| run(&frame(payload), [V4[2], V4[3]], TAGS[0], 1500).1[14 + 6];
    assert_eq!(flags(1220), 0x00, "1260 bytes");
    assert_eq!(flags(1221), 0x40, "1261 bytes");
}

#[test]
fn a_datagram_without_checksum_needs_one_in_ipv6() {
    let frame = Frame::new(V4[0], V4[1], Transport::UdpUnsummed, 7);
    assert_refused(&frame, [V6[2], V6[3]], 1500, Refusal::Untranslatable);
    let frame = Frame::new(V6[0], V6[1], Transport::UdpUnsummed, 7);
    assert_translated(&frame, [V4[2], V4[3]], TAGS[0]);
}

#[test]
fn a_fragment_is_a_fragment_of_the_other_family() {
    for ([client, vip, _, _], [_, _, source, destination]) in [(V4, V6), (V6, V4)] {
        for transport in [Transport::Tcp, Transport::Udp] {
            for part in [PARTS[1], PARTS[2]] {
                for tags in TAGS {
                    for leaving in TAGS {
                        let frame = Frame {
                            part,
                            tags,
                            dont_fragment: false,
                            padding: 3,
                            ..Frame::new(client, vip, transport.clone(), 77)
                        };
                        assert_translated(&frame, [source, destination], leaving);
                    }
                }
            }
        }
    }
}

#[test]
fn options_of_fragments_are_left_out() {
    for part in [PARTS[1], PARTS[2]] {
        let frame = Frame {
            part,
            dont_fragment: false,
            options: vec![1; 8],
            ..Frame::new(V4[0], V4[1], Transport::Udp, 77)
        };
        assert_translated(&frame, [V6[2], V6[3]], TAGS[1]);
        let route = Frame {
            options: vec![131, 7, 4, 192, 0, 2, 9, 0],
            ..frame
        };
        assert_refused(&route, [V6[2], V6[3]], 1500, Refusal::Untranslatable);
        // In IPv6 they may stand on either side of the fragment header.
        let frame = Frame {
            part,
            options: vec![0, 0, 1, 4, 0, 0, 0, 0],
            ..Frame::new(V6[0], V6[1], Transport::Udp, 77)
        };
        assert_refused(&frame, [V4[2], V4[3]], 1500, Refusal::Untranslatable);
    }
}

#[test]
fn a_first_fragment_without_checksum_needs_one_in_ipv6() {
    let unsummed = |ends: [&str; 4], part| Frame {
        part,
        dont_fragment: false,
        ..Frame::new(ends[0], ends[1], Transport::UdpUnsummed, 77)
    };
    let first = unsummed(V4, Part::First);
    assert_refused(&first, [V6[2], V6[3]], 1500, Refusal::Untranslatable);
    // Nobody knows what a later one is part of.
    assert_translated(&unsummed(V4, Part::Later), [V6[2], V6[3]], TAGS[0]);
    assert_translated(&unsummed(V6, Part::First), [V4[2], V4[3]], TAGS[0]);
}

#[test]
fn a_fragment_must_fit_with_its_header() {
    for part in [PARTS[1], PARTS[2]] {
        let frame = Frame {
            part,
            dont_fragment: false,
            ..Frame::new(V4[0], V4[1], Transport::Tcp, 77)
        };
        let len = u16::try_from(frame.ip().len()).unwrap() + 28;
        let to = [V6[2], V6[3]];
        assert_refused(&frame, to, len - 1, Refusal::TooBig(len - 29));
        assert!(run(&frame, to, TAGS[0], len).0.is_ok());
    }
}

/// A fragment header without fragments (RFC 6946) names the identification, and lets the packet be fragmented.
#[test]
fn an_atomic_fragment_keeps_its_identification() {
    let atomic = Frame {
        // As an extension header of another kind it would be of the same length.
        options: vec![0, 0, 0, 0, 0xab, 0xcd, 0x12, 0x34],
        ..Frame::new(V6[0], V6[1], Transport::Tcp, 1300)
    };
    let mut packet = atomic.packet();
    packet.bytes[14 + 6] = 44;
    let [source, destination] = [V4[2], V4[3]].map(|end| end.parse().unwrap());
    let ends = ends(source, destination);
    let parsed = atomic.parsed();
    translate_across(&mut packet, &parsed, &ends, &way(TAGS[0]), 1500).unwrap();
    let expected = Frame {
        source,
        destination,
        hops: atomic.hops - 1,
        options: Vec::new(),
        dont_fragment: false,
        identification: 0x1234,
        ..atomic.sent(TAGS[0])
    };
    assert_eq!(packet.bytes, expected.bytes());
}

#[test]
fn the_last_hop_is_not_taken() {
    for ([client, vip, _, _], [_, _, source, destination]) in [(V4, V6), (V6, V4)] {
        for hops in [0, 1] {
            let frame = Frame {
                hops,
                ..Frame::new(client, vip, Transport::Tcp, 5)
            };
            assert_refused(&frame, [source, destination], 1500, Refusal::Expired);
        }
    }
}

#[test]
fn the_new_packet_must_fit() {
    // 20 bytes of TCP and 100 of payload.
    let v4 = Frame::new(V4[0], V4[1], Transport::Tcp, 100);
    assert_refused(&v4, [V6[2], V6[3]], 159, Refusal::TooBig(139));
    assert!(run(&v4, [V6[2], V6[3]], TAGS[0], 160).0.is_ok());
    let optioned = Frame {
        options: vec![1; 8],
        ..v4
    };
    assert_refused(&optioned, [V6[2], V6[3]], 159, Refusal::TooBig(147));
    let v6 = Frame::new(V6[0], V6[1], Transport::Tcp, 100);
    assert_refused(&v6, [V4[2], V4[3]], 139, Refusal::TooBig(159));
    assert!(run(&v6, [V4[2], V4[3]], TAGS[0], 140).0.is_ok());
    let small = Frame::new(V4[0], V4[1], Transport::Tcp, 0);
    assert_refused(&small, [V6[2], V6[3]], 10, Refusal::TooBig(0));
}

proptest! {
    #[test]
    fn there_and_back_is_where_it_was(
        (near, far) in any::<bool>().prop_flat_map(|v4| (four(v4), four(!v4))),
        transport in 0..2_usize,
        payload in proptest::collection::vec(any::<u8>(), 40..1300),
        part in 0..3_usize,
        hops in 3_u8..,
    ) {
        let [client, vip, _, _] = near;
        let [_, _, source, destination] = far;
        let frame = frame([client, vip], transport, payload, hops, PARTS[part]);
        let mut packet = frame.packet();
        let there = ends(source, destination);
        translate_across(&mut packet, &frame.parsed(), &there, &way(TAGS[1]), 1500).unwrap();
        let middle = expected(&frame, source, destination, TAGS[1]);
        prop_assert_eq!(&packet.bytes, &middle.bytes());
        let back = ends(client, vip);
        translate_across(&mut packet, &middle.parsed(), &back, &way(TAGS[2]), 1500).unwrap();
        let end = expected(&middle, client, vip, TAGS[2]);
        prop_assert_eq!(packet.bytes, end.bytes());
    }
}
