//! IPv4 (RFC 791).

use crate::packet::Header;

/// Length of the header without options.
pub const LEN: usize = 20;

/// Version field; 4 in a valid header.
#[inline(always)]
pub fn version(header: &impl Header<LEN>) -> u8 {
    header.u8::<0>() >> 4
}

/// Length of the header with options, in bytes.
#[inline(always)]
pub fn header_len(header: &impl Header<LEN>) -> usize {
    usize::from(header.u8::<0>() & 0x0f) * 4
}

/// Length of header and payload, in bytes.
#[inline(always)]
pub fn total_len(header: &impl Header<LEN>) -> usize {
    usize::from(u16::from_be(header.u16::<2>()))
}

/// Whether this is a fragment: more fragments follow, or it does not begin at 0.
#[inline(always)]
pub fn is_fragment(header: &impl Header<LEN>) -> bool {
    header.u16::<6>() & 0x3fff_u16.to_be() != 0
}

/// Protocol of the payload.
#[inline(always)]
pub fn protocol(header: &impl Header<LEN>) -> u8 {
    header.u8::<9>()
}

/// Source address, the way it stands in memory.
#[inline(always)]
pub fn source(header: &impl Header<LEN>) -> u32 {
    header.u32::<12>()
}

/// Destination address, the way it stands in memory.
#[inline(always)]
pub fn destination(header: &impl Header<LEN>) -> u32 {
    header.u32::<16>()
}
