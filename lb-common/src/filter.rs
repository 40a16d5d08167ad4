//! The filter: a bit for each of many destinations that says whether a listener may be there, so that most packets
//! which are none of ours are let go after one look.
//!
//! There is one for each side of the listener tables. With a listener that is no single destination every bit is set.

use crate::{Address, hash};

/// Bits of one side: as many as [`hash::destination`] tells apart.
pub const BITS: u32 = 65_536;
/// Words of one side; the map has twice as many.
pub const WORDS: u32 = BITS / u64::BITS;

/// Which bit a destination has. `port` in network order, the way it stands in memory.
#[inline(always)]
pub const fn bit(address: &Address, port: u16, protocol: u32) -> u32 {
    hash::destination(address, port, protocol)
}

/// Which word of a side holds a bit.
#[inline(always)]
pub const fn word(bit: u32) -> u32 {
    bit / u64::BITS
}

/// A bit within its word.
#[inline(always)]
pub const fn mask(bit: u32) -> u64 {
    1 << (bit % u64::BITS)
}
