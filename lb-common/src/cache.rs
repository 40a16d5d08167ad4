//! The flow cache: what a CPU has at hand of open flows, one cache line per look-up.
//!
//! The flow table is the truth. What is at hand was read there, and it counts as long as it is what the table would
//! say: its key holds the flow's *epoch*, a number that moves on whenever one of the flows it is for leaves its place or
//! its state. The epoch is read before the table is, so that what changes in between is not kept. The key holds the turn
//! of the clock as well: in each turn a flow's first packet goes by way of the table, which so learns that it lives.

use crate::maps::{MAX_BACKENDS, MAX_SOURCES};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Lines of one CPU; a power of two.
pub const LINES: u32 = 16_384;
/// Flows of a line.
pub const WAYS: usize = 4;
/// Number of epochs, each for the flows whose tags begin alike; a power of two.
pub const EPOCHS: u32 = 4096;

/// The flows at hand whose hashes end alike. 64 bytes: one cache line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Line {
    /// [`key`] of each flow; 0 where there is none.
    pub keys: [u64; WAYS],
    /// [`Kept`] of each flow.
    pub kept: [u64; WAYS],
}

/// The number of the line for a flow with this hash.
#[inline(always)]
pub const fn line(hash: u64) -> u32 {
    hash as u32 & (LINES - 1)
}

/// The number of the epoch for a flow with this tag.
#[inline(always)]
pub const fn epoch(tag: u32) -> u32 {
    tag >> (u32::BITS - EPOCHS.trailing_zeros())
}

/// What tells a flow with this hash from others in this turn while its epoch lasts.
#[inline(always)]
pub const fn key(hash: u64, epoch: u64, turn: u32) -> u64 {
    // An odd number with bits everywhere: other epochs or turns, other keys.
    let version = epoch ^ (turn as u64) << 32;
    hash ^ version.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The turn of the clock at tick `now`; each lasts 2^`shift` ticks.
#[inline(always)]
pub const fn turn(now: u32, shift: u8) -> u32 {
    now >> (shift & 31)
}

/// `shift` of [`turn`] for a clock of `hz` ticks a second: a turn lasts a quarter of a second to half of one.
pub const fn shift(hz: u32) -> u8 {
    match (hz / 2).checked_ilog2() {
        Some(shift) => shift as u8,
        None => 0,
    }
}

/// What is at hand of a flow, as one word.
///
/// Bits 0..14 backend, 14 whether its packets are the backend's, 15..26 [`crate::Flow::source`], 26..32 the last bits of
/// the [`turn`] it was kept in. Of a client's flow 32..48 the backend's incarnation, 48..64 [`crate::Flow::port`]; of a backend's
/// 32..64 where it stands, as [`crate::Flow::twin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept(pub u64);

impl Kept {
    const BACKEND: u32 = MAX_BACKENDS - 1;
    const REPLY: u32 = MAX_BACKENDS;
    const SOURCE: u32 = 2 * MAX_SOURCES - 1;
    const SOURCE_AT: u32 = 15;
    const TURN_AT: u32 = 26;

    /// Of a flow whose packets are a client's.
    #[inline(always)]
    pub const fn client(turn: u32, backend: u16, incarnation: u16, source: u16, port: u16) -> Self {
        let source = source as u32 & Self::SOURCE;
        let rest = incarnation as u32 | (port as u32) << 16;
        Self::of(turn, backend as u32 | source << Self::SOURCE_AT, rest)
    }

    /// Of a flow whose packets are a backend's, which stands at `place`.
    #[inline(always)]
    pub const fn reply(turn: u32, backend: u16, place: u32) -> Self {
        Self::of(turn, backend as u32 | Self::REPLY, place)
    }

    #[inline(always)]
    const fn of(turn: u32, low: u32, high: u32) -> Self {
        Self((low | turn << Self::TURN_AT) as u64 | (high as u64) << 32)
    }

    /// Whether it was kept in another turn than `other` was, and is of no use any more. Turns long past may look alike.
    #[inline(always)]
    pub const fn is_past(self, other: Self) -> bool {
        (self.0 as u32 ^ other.0 as u32) >> Self::TURN_AT != 0
    }

    /// The backend's number.
    #[inline(always)]
    pub const fn backend(self) -> u16 {
        (self.0 as u32 & Self::BACKEND) as u16
    }

    /// Whether the flow's packets are the backend's.
    #[inline(always)]
    pub const fn is_reply(self) -> bool {
        self.0 as u32 & Self::REPLY != 0
    }

    /// Number of the source address the backend sees; where it sees the client's, a number that no source address has.
    #[inline(always)]
    pub const fn source(self) -> u16 {
        (self.0 as u32 >> Self::SOURCE_AT & Self::SOURCE) as u16
    }

    /// The backend's incarnation when the flow was given to it.
    #[inline(always)]
    pub const fn incarnation(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// The port the backend sees, in network order the way it stands in memory.
    #[inline(always)]
    pub const fn port(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Where a backend's flow stands.
    #[inline(always)]
    pub const fn place(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::NO_SOURCE;

    const LAST: u16 = (MAX_BACKENDS - 1) as u16;

    #[test]
    fn what_is_kept_of_a_client_is_read_back() {
        for source in [0, 1, (MAX_SOURCES - 1) as u16] {
            let kept = Kept::client(u32::MAX, LAST, 0xabcd, source, 0x5678);
            assert!(!kept.is_reply() && !kept.is_past(kept));
            assert_eq!((kept.backend(), kept.incarnation()), (LAST, 0xabcd));
            assert_eq!((kept.source(), kept.port()), (source, 0x5678));
        }
        let kept = Kept::client(0, 0, 0, NO_SOURCE, 0);
        assert!(u32::from(kept.source()) >= MAX_SOURCES);
    }

    #[test]
    fn what_is_kept_of_a_reply_is_read_back() {
        let kept = Kept::reply(5, LAST, 0x89ab_cdef);
        assert!(kept.is_reply() && !kept.is_past(kept));
        assert!(kept.is_past(Kept::reply(6, LAST, 0x89ab_cdef)));
        assert_eq!((kept.backend(), kept.place()), (LAST, 0x89ab_cdef));
    }

    #[test]
    fn every_tag_has_an_epoch_and_every_hash_a_line() {
        assert_eq!(epoch(1), 0);
        assert_eq!(epoch(u32::MAX), EPOCHS - 1);
        assert_eq!(line(u64::MAX), LINES - 1);
        let keys = [key(7, 0, 0), key(7, 1, 0), key(7, 0, 1), key(7, 0, 64)];
        for (at, one) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(one), "{keys:x?}");
        }
    }

    #[test]
    fn a_turn_lasts_a_quarter_of_a_second_to_half_of_one() {
        for hz in [100, 250, 300, 1000] {
            let ticks = 1 << shift(hz);
            assert!(4 * ticks > hz && 2 * ticks <= hz, "{hz}: {ticks}");
        }
    }

    #[test]
    fn turns_follow_each_other() {
        assert_eq!([0, 127, 128, 256].map(|now| turn(now, 7)), [0, 0, 1, 2]);
    }
}
