//! Options of IPv4 and TCP headers, which are built alike: a kind, and except of the kinds 0 (end) and 1 (filler) a
//! length that counts both bytes (RFC 791 section 3.1, RFC 9293 section 3.1).

use crate::packet::{Header, Packet};

/// Most options that are looked at: more than any sender has reason to write.
const STEPS: usize = 10;
/// Most bytes of options.
const MOST: usize = 40;
const END: u8 = 0;
const FILLER: u8 = 1;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it begins, in bytes after the first option.
    pub at: usize,
    /// Its length in bytes.
    pub len: usize,
}

/// The first option of kind `a` or `b` among the `len` bytes of options at `start`. Where an option is malformed, what
/// follows is not looked at.
#[inline(always)]
pub fn find<P: Packet>(packet: &P, start: usize, len: usize, [a, b]: [u8; 2]) -> Option<Found> {
    let len = len.min(MOST);
    let mut at = 0;
    let mut step = 0;
    while step < STEPS && at + 2 <= len {
        let option = packet.header::<2>(start + at)?;
        match option.u8::<0>() {
            END => return None,
            FILLER => at += 1,
            kind => {
                let size = usize::from(option.u8::<1>());
                if size < 2 || at + size > len {
                    return None;
                }
                if kind == a || kind == b {
                    return Some(Found { at, len: size });
                }
                at += size;
            }
        }
        step += 1;
    }
    None
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::testing::HostPacket;

    fn look(bytes: &[u8]) -> Option<Found> {
        let packet = HostPacket {
            bytes: [&[9; 3], bytes].concat(),
            ingress: 0,
        };
        find(&packet, 3, bytes.len(), [2, 5])
    }

    #[test]
    fn options_before_it_are_walked() {
        assert_eq!(look(&[2, 4, 1, 2]), Some(Found { at: 0, len: 4 }));
        assert_eq!(look(&[1, 3, 3, 7, 5, 2]), Some(Found { at: 4, len: 2 }));
        assert_eq!(look(&[3, 3, 2, 1, 1]), None, "inside another one");
    }

    #[test]
    fn nothing_behind_the_end_is_seen() {
        assert_eq!(look(&[0, 2, 4, 1, 2]), None);
        assert_eq!(look(&[1, 1, 1, 2]), None, "a kind without a length");
        assert_eq!(look(&[]), None);
    }

    #[test]
    fn a_malformed_option_ends_the_walk() {
        assert_eq!(look(&[8, 0, 2, 4, 1, 2]), None);
        assert_eq!(look(&[8, 1, 2, 4, 1, 2]), None);
        assert_eq!(look(&[8, 7, 2, 4, 1, 2]), None);
        assert_eq!(look(&[2, 5, 1, 2]), None);
        assert_eq!(look(&[2, 1, 1, 2]), None);
    }

    #[test]
    fn the_walk_is_bounded() {
        let fillers = |count| [vec![1; count], vec![2, 4, 1, 2]].concat();
        assert_eq!(look(&fillers(9)), Some(Found { at: 9, len: 4 }));
        assert_eq!(look(&fillers(10)), None);
        let far = [&[8, 38][..], &[7; 36], &[2, 4, 1, 2]].concat();
        assert_eq!(look(&far), None, "more than 40 bytes of options");
    }
}
