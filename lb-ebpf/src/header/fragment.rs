//! Fragments, as the IPv6 fragment header (RFC 8200 section 4.5) and as the second word of an IPv4 header (RFC 791
//! section 3.1) have them, and one as the other (RFC 7915).

use crate::packet::Header;

/// Length of the IPv6 fragment header.
pub const LEN: usize = 8;

/// IPv4: more fragments follow, in the host's order.
const MORE_V4: u16 = 0x2000;
/// IPv4: where the fragment begins, in units of 8 bytes, in the host's order.
const OFFSET_V4: u16 = 0x1fff;

/// The fragment header of a packet of `protocol` whose IPv4 header has this second word, both the way they stand in
/// memory: offset and flag are taken over, and the identification with zeroes above it (RFC 7915 section 4.1).
#[inline(always)]
pub const fn into_v6(protocol: u8, fragmentation: u32) -> [u32; 2] {
    let [a, b, c, d] = fragmentation.to_ne_bytes();
    let flags = u16::from_be_bytes([c, d]);
    let more = if flags & MORE_V4 != 0 { 1 } else { 0 };
    let [high, low] = ((flags & OFFSET_V4) << 3 | more).to_be_bytes();
    [
        u32::from_ne_bytes([protocol, 0, high, low]),
        u32::from_ne_bytes([0, 0, a, b]),
    ]
}

/// The second word of the IPv4 header of a packet with this fragment header, the way it stands in memory: offset and flag
/// are taken over, the lower half of the identification, and it may be fragmented again (RFC 7915 section 5.1.1).
#[inline(always)]
pub fn into_v4(header: &impl Header<LEN>) -> u32 {
    let word = u16::from_be(header.u16::<2>());
    let more = (word & 1) * MORE_V4;
    let [c, d] = (word >> 3 | more).to_be_bytes();
    let [a, b] = header.u16::<6>().to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::{packet::Packet as _, testing::HostPacket};

    fn v4(bytes: [u8; 8]) -> [u8; 4] {
        let packet = HostPacket {
            bytes: bytes.to_vec(),
            ingress: 0,
        };
        into_v4(&packet.header::<LEN>(0).unwrap()).to_ne_bytes()
    }

    fn v6(protocol: u8, word: [u8; 4]) -> [u8; 8] {
        let words = into_v6(protocol, u32::from_ne_bytes(word)).map(u32::to_ne_bytes);
        words.concat().try_into().unwrap()
    }

    #[test]
    fn offset_and_flag_are_taken_over() {
        for (offset, more) in [(0_u16, 1_u16), (1, 0), (185, 1), (0x1555, 0), (0x1fff, 1)] {
            let [a, b] = (offset | more << 13).to_be_bytes();
            let [c, d] = (offset << 3 | more).to_be_bytes();
            assert_eq!(v6(17, [0xab, 0xcd, a, b]), [17, 0, c, d, 0, 0, 0xab, 0xcd]);
            assert_eq!(v4([17, 0, c, d, 0, 0, 0xab, 0xcd]), [0xab, 0xcd, a, b]);
        }
    }

    #[test]
    fn what_only_one_of_them_has_is_left_out() {
        assert_eq!(v6(6, [0, 7, 0xe0, 9]), [6, 0, 0, 9 << 3 | 1, 0, 0, 0, 7]);
        assert_eq!(
            v4([6, 0xff, 0, 9 << 3 | 7, 0xde, 0xad, 0, 7]),
            [0, 7, 0x20, 9]
        );
    }
}
