//! IPv6 (RFC 8200).

use lb_common::Address;

use crate::packet::Header;

/// Length of the fixed header.
pub const LEN: usize = 40;
/// Next header: fragment (RFC 8200 section 4.5).
pub const FRAGMENT: u8 = 44;

/// Version field; 6 in a valid header.
#[inline(always)]
pub fn version(header: &impl Header<LEN>) -> u8 {
    header.u8::<0>() >> 4
}

/// Length of what follows the fixed header, in bytes.
#[inline(always)]
pub fn payload_len(header: &impl Header<LEN>) -> usize {
    usize::from(u16::from_be(header.u16::<4>()))
}

/// What follows the fixed header.
#[inline(always)]
pub fn next_header(header: &impl Header<LEN>) -> u8 {
    header.u8::<6>()
}

/// Whether `next_header` is an extension header other than a fragment (IANA's list of RFC 7045 section 4).
#[inline(always)]
pub const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        0 | 43 | 50 | 51 | 60 | 135 | 139 | 140 | 253 | 254
    )
}

/// Source address.
#[inline(always)]
pub fn source(header: &impl Header<LEN>) -> Address {
    [header.u64::<8>(), header.u64::<16>()]
}

/// Destination address.
#[inline(always)]
pub fn destination(header: &impl Header<LEN>) -> Address {
    [header.u64::<24>(), header.u64::<32>()]
}
