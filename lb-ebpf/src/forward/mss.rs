//! Keeps the segments of a TCP connection short enough for the way they take, by lowering what a SYN announces as its
//! sender's maximum segment size (RFC 9293 section 3.7.1).

use crate::{
    checksum,
    forward::options,
    header::tcp,
    packet::{Header, Packet},
    parse::{Parsed, Part},
};

/// Kind of the option, and its length in bytes.
const KIND: u8 = 2;
const LEN: usize = 4;

/// Lowers the maximum segment size of a SYN to `most` bytes and mends the checksum. `None` where the frame is too short.
///
/// A SYN without the option announces 536 bytes (RFC 9293 section 3.7.1) and stays as it is, and so does one whose
/// options are malformed.
#[inline(always)]
pub fn clamp<P: Packet>(packet: &mut P, parsed: &Parsed, most: u16) -> Option<()> {
    if parsed.flags & tcp::SYN == 0 || matches!(parsed.part, Part::Later) {
        return Some(());
    }
    let (field, options) = field_and_options(packet, parsed.l4)?;
    let start = parsed.l4 + tcp::LEN;
    let at = match options::find(packet, start, options, [KIND, KIND]) {
        Some(found) if found.len == LEN => found.at,
        _ => return Some(()),
    };
    let size = packet.header::<LEN>(start + at)?.u16::<2>();
    if u16::from_be(size) <= most {
        return Some(());
    }
    // At an odd offset the two bytes belong to two words of the sum, in each the other half: they are summed swapped
    // (RFC 1071 section 2, B).
    let pair = [size, most.to_be()].map(|size| if at & 1 == 0 { size } else { size.swap_bytes() });
    let change = checksum::remove(0, &[u32::from(pair[0])]);
    let change = checksum::add(change, &[u32::from(pair[1])]);
    packet.store_u16(start + at + 2, most.to_be())?;
    packet.store_u16(parsed.l4 + tcp::CHECKSUM, checksum::update(field, change))
}

/// The checksum of the TCP header at `l4`, and the length of its options.
#[inline(always)]
fn field_and_options<P: Packet>(packet: &P, l4: usize) -> Option<(u16, usize)> {
    let header = packet.header::<{ tcp::LEN }>(l4)?;
    let options = tcp::header_len(&header).checked_sub(tcp::LEN)?;
    Some((tcp::checksum(&header), options))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::forward::frames::{Frame, TAGS, Transport};

    const V4: [&str; 2] = ["203.0.113.9:40000", "192.0.2.1:443"];
    const V6: [&str; 2] = ["[2001:db8:9::9]:40000", "[2001:db8::1]:443"];

    fn syn([client, vip]: [&str; 2], options: &[u8]) -> Frame {
        Frame::new(client, vip, Transport::Syn(options.to_vec()), 3)
    }

    fn mss(size: u16) -> Vec<u8> {
        [&[KIND, 4][..], &size.to_be_bytes()].concat()
    }

    fn clamped(frame: &Frame, most: u16) -> Vec<u8> {
        let mut packet = frame.packet();
        clamp(&mut packet, &frame.parsed(), most).unwrap();
        packet.bytes
    }

    #[test]
    fn it_is_lowered_wherever_it_stands() {
        for ends in [V4, V6] {
            for before in 0..8 {
                for size in [1461, 8960, 65535] {
                    for most in [0, 1, 0x0123, 1460] {
                        for tags in TAGS {
                            let options = |size| [vec![1; before], mss(size)].concat();
                            let frame = Frame {
                                tags,
                                ..syn(ends, &options(size))
                            };
                            let expected = Frame {
                                tags,
                                ..syn(ends, &options(most))
                            };
                            assert_eq!(clamped(&frame, most), expected.bytes());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn among_the_options_of_linux() {
        let options = |size| {
            let mut options = vec![4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 3, 3, 7];
            options.extend(mss(size));
            options
        };
        let frame = syn(V4, &options(1460));
        assert_eq!(clamped(&frame, 1400), syn(V4, &options(1400)).bytes());
    }

    #[test]
    fn what_is_not_above_stays() {
        for size in [536, 1399, 1400] {
            let frame = syn(V4, &mss(size));
            assert_eq!(clamped(&frame, 1400), frame.bytes());
        }
    }

    #[test]
    fn only_the_option_of_a_syn_is_touched() {
        let other = [&[8, 10, 2, 4][..], &[0xff; 6]].concat();
        let malformed = [&[8, 1][..], &mss(9000)].concat();
        let long = [&[KIND, 6][..], &[0xff; 4]].concat();
        for options in [vec![], other, malformed, long] {
            let frame = syn(V4, &options);
            assert_eq!(clamped(&frame, 1400), frame.bytes());
        }
        let frame = syn(V4, &mss(9000));
        for (flags, part) in [(tcp::ACK, Part::Whole), (tcp::SYN, Part::Later)] {
            let parsed = Parsed {
                flags,
                part,
                ..frame.parsed()
            };
            let mut packet = frame.packet();
            clamp(&mut packet, &parsed, 1400).unwrap();
            assert_eq!(packet, frame.packet());
        }
    }

    #[test]
    fn an_answer_is_clamped_too() {
        let frame = syn(V6, &mss(9000));
        let parsed = Parsed {
            flags: tcp::SYN | tcp::ACK,
            ..frame.parsed()
        };
        let mut packet = frame.packet();
        clamp(&mut packet, &parsed, 1400).unwrap();
        assert_eq!(packet.bytes, syn(V6, &mss(1400)).bytes());
    }

    #[test]
    fn a_header_past_the_end_of_the_frame_is_an_error() {
        let frame = syn(V4, &mss(9000));
        let mut packet = frame.packet();
        packet.bytes.truncate(frame.parsed().l4 + tcp::LEN - 1);
        assert_eq!(clamp(&mut packet, &frame.parsed(), 1400), None);
    }
}
