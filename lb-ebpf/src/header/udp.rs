//! UDP (RFC 768).

use crate::packet::Header;

/// Length of the header.
pub const LEN: usize = 8;

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
