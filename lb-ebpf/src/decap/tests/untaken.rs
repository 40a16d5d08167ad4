//! What is not taken out stays as it came.

use etherparse::Ipv4Header;
use proptest::prelude::*;

use super::*;

#[test]
fn what_comes_by_no_tunnel_passes() {
    let refusing = Settings::new(PORT, &[Prefix::new([10, 0, 0, 0].into(), 8)]);
    for transport in [Transport::Tcp, Transport::Udp, Transport::UdpUnsummed] {
        for (v4, tags) in [true, false]
            .into_iter()
            .flat_map(|v4| TAGS.map(|tags| (v4, tags)))
        {
            let frame = Frame {
                tags,
                transport: transport.clone(),
                ..frame(v4)
            };
            stays(frame.packet(), &refusing, Reason::Passed);
        }
    }
    for over_v4 in [true, false] {
        let packet = plain(&frame(true), over_v4, Backend::GUE);
        stays(packet, &Settings::new(6081, &[]), Reason::Passed);
    }
    let arp = [&[2; 12][..], &[0x08, 0x06], &[0; 28]].concat();
    let arp = HostPacket {
        bytes: arp,
        ingress: 1,
    };
    stays(arp, &everybody(), Reason::Passed);
    let mut group = plain(&frame(true), true, Backend::IPIP);
    group.bytes[0] |= 1;
    stays(group, &everybody(), Reason::Passed);
}

#[test]
fn fragments_and_options_outside_pass_to_the_kernel() {
    for mode in MODES {
        for (at, flag) in [(20, 0x20), (20, 0x01), (21, 0x01)] {
            let mut packet = plain(&frame(true), true, mode);
            packet.bytes[at] |= flag;
            sum(&mut packet);
            stays(packet, &everybody(), Reason::Passed);
        }
        let mut packet = plain(&frame(true), true, mode);
        let mut header = Ipv4Header::from_slice(&packet.bytes[14..]).unwrap().0;
        header.options = [1, 1, 1, 0].into();
        header.total_len += 4;
        header.header_checksum = header.calc_header_checksum();
        packet.bytes.splice(14..34, header.to_bytes());
        stays(packet, &everybody(), Reason::Passed);

        for (extension, rest) in [(44, [0, 1, 0, 0, 0, 9]), (60, [1, 4, 0, 0, 0, 0])] {
            let mut packet = plain(&frame(true), false, mode);
            let next = std::mem::replace(&mut packet.bytes[20], extension);
            packet.bytes[19] += 8;
            let header = [&[next, 0][..], &rest].concat();
            packet.bytes.splice(54..54, header);
            stays(packet, &everybody(), Reason::Passed);
        }
    }
}

#[test]
fn private_data_of_a_gue_header_is_skipped() {
    for over_v4 in [true, false] {
        for words in 0..32 {
            let frame = frame(true);
            let mut packet = plain(&frame, over_v4, Backend::GUE_HEADER);
            let (udp, more) = (udp_at(over_v4), 4 * words);
            packet.bytes[udp + 8] |= words as u8;
            let after = udp + 12;
            packet.bytes.splice(after..after, vec![0xee; more]);
            let length = if over_v4 { 16 } else { 18 };
            for at in [length, udp + 4] {
                let word = [packet.bytes[at], packet.bytes[at + 1]];
                let word = u16::from_be_bytes(word) + more as u16;
                packet.bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
            }
            sum(&mut packet);
            assert_eq!(decapsulate(&mut packet, &everybody()), Reason::GueHeader);
            assert_eq!(packet.bytes, frame.sent([0, 0]).bytes(), "{words} words");
        }
    }
}

#[test]
fn gue_that_says_more_passes_to_the_kernel() {
    // Offset behind the UDP header, bits: control, every flag, other protocols, variants 2 and 3.
    let changes = [(0, 0x20), (1, 0x10), (1, 0x40), (0, 0x80), (0, 0xc0)];
    let flags = (0..16).map(|bit| (2 + bit / 8, 1_u8 << (bit % 8)));
    for over_v4 in [true, false] {
        for (at, bits) in changes.into_iter().chain(flags.clone()) {
            let mut packet = plain(&frame(true), over_v4, Backend::GUE_HEADER);
            packet.bytes[udp_at(over_v4) + 8 + at] ^= bits;
            stays(packet, &everybody(), Reason::Passed);
        }
    }
}

#[test]
fn lengths_that_contradict_each_other_are_malformed() {
    for (inner_v4, over_v4, mode) in combinations() {
        let packet = plain(&frame(inner_v4), over_v4, mode);
        let outer = if over_v4 { 16 } else { 18 };
        let inner = inner_at(over_v4, mode) + if inner_v4 { 2 } else { 4 };
        let mut lengths = vec![outer, inner];
        if mode != Backend::IPIP {
            lengths.push(udp_at(over_v4) + 4);
        }
        for at in lengths {
            // One more than there is; and so few that not even a header fits, except that an IPv6 packet may be empty.
            for length in [Some(1), (at != inner || inner_v4).then_some(0)] {
                let mut packet = packet.clone();
                let word = u16::from_be_bytes([packet.bytes[at], packet.bytes[at + 1]]);
                let word = match length {
                    Some(0) => 7,
                    Some(more) => word + more,
                    None => continue,
                };
                packet.bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
                sum(&mut packet);
                stays(packet, &everybody(), Reason::Malformed);
            }
        }
    }
}

#[test]
fn a_frame_that_is_cut_short_is_never_taken_out() {
    for (inner_v4, over_v4, mode) in combinations() {
        let whole = plain(&frame(inner_v4), over_v4, mode);
        for len in 0..whole.bytes.len() {
            let mut packet = whole.clone();
            packet.bytes.truncate(len);
            let before = packet.clone();
            let taken = decapsulate(&mut packet, &everybody());
            let known = udp_at(over_v4) + if mode == Backend::IPIP { 0 } else { 8 };
            let expected = if len < known {
                Reason::Passed
            } else {
                Reason::Malformed
            };
            assert_eq!(taken, expected, "{len} bytes");
            assert_eq!(packet, before);
        }
    }
}

#[test]
fn an_inner_header_that_is_none_is_malformed() {
    for (inner_v4, over_v4, mode) in combinations() {
        let versions = match mode {
            // Of the first four bits, the first two say that it is variant 1.
            Backend::GUE => [5, 7].as_slice(),
            _ if inner_v4 => &[0, 5, 6, 15],
            _ => &[0, 4, 5, 15],
        };
        for version in versions {
            let mut packet = plain(&frame(inner_v4), over_v4, mode);
            let first = &mut packet.bytes[inner_at(over_v4, mode)];
            *first = *first & 0x0f | version << 4;
            stays(packet, &everybody(), Reason::Malformed);
        }
        if inner_v4 {
            for words in [0, 4] {
                let mut packet = plain(&frame(true), over_v4, mode);
                packet.bytes[inner_at(over_v4, mode)] = 0x40 | words;
                stays(packet, &everybody(), Reason::Malformed);
            }
        }
    }
}

#[test]
fn a_wrong_outer_checksum_is_malformed() {
    for at in 14..34 {
        // Version, header length, fragmentation and protocol decide before.
        if [14, 20, 21, 23].contains(&at) {
            continue;
        }
        let mut packet = plain(&frame(true), true, Backend::IPIP);
        packet.bytes[at] ^= 0x10;
        stays(packet, &everybody(), Reason::Malformed);
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_taken_out_or_stays(
        (which, tags) in (0..12_usize, 0..3_usize),
        changes in prop::collection::vec((0..140_usize, any::<u8>()), 0..6),
        cut in 0..200_usize,
        fix in any::<bool>(),
    ) {
        let (inner_v4, over_v4, mode) = combinations().nth(which).unwrap();
        let mut packet = tunnelled(&frame(inner_v4), over_v4, mode, TAGS[tags]);
        for (at, byte) in changes {
            if let Some(to) = packet.bytes.get_mut(at) {
                *to = byte;
            }
        }
        packet.bytes.truncate(cut.max(14));
        if fix && packet.bytes.len() >= 34 && packet.bytes[14] == 0x45 {
            sum(&mut packet);
        }
        let before = packet.clone();
        let taken = decapsulate(&mut packet, &everybody());
        if taken_out(taken) {
            let gone = before.bytes.len() - packet.bytes.len();
            prop_assert!((20..=40 + 12 + 124).contains(&gone));
            prop_assert_eq!(&packet.bytes[..12], &before.bytes[..12]);
        } else {
            prop_assert_eq!(packet, before);
        }
    }
}
