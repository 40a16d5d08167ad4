//! UDP (RFC 768).

use crate::packet::Header;

/// Length of the header.
pub const LEN: usize = 8;
/// Where the checksum lies.
pub const CHECKSUM: usize = 6;

/// Source port, then destination port, the way they stand in memory.
#[inline(always)]
pub fn ports(header: &impl Header<LEN>) -> u32 {
    header.u32::<0>()
}

/// Length of header and payload, in bytes.
#[inline(always)]
pub fn length(header: &impl Header<LEN>) -> usize {
    usize::from(u16::from_be(header.u16::<4>()))
}

/// Checksum, the way it stands in memory; 0 where the sender computed none.
#[inline(always)]
pub fn checksum(header: &impl Header<LEN>) -> u16 {
    header.u16::<CHECKSUM>()
}
