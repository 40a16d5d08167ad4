//! IPv6 (RFC 8200).

use lb_common::Address;

use crate::packet::Header;

/// Length of the fixed header.
pub const LEN: usize = 40;
/// Protocol number of an IPv6 packet inside another packet.
pub const PROTOCOL: u8 = 41;
/// Next header: fragment (RFC 8200 section 4.5).
pub const FRAGMENT: u8 = 44;

/// Version field; 6 in a valid header.
#[inline(always)]
pub fn version(header: &impl Header<LEN>) -> u8 {
    header.u8::<0>() >> 4
}

/// DSCP and ECN (RFC 2474, RFC 3168).
#[inline(always)]
pub fn traffic_class(header: &impl Header<LEN>) -> u8 {
    (u16::from_be(header.u16::<0>()) >> 4) as u8
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

/// Hop limit.
#[inline(always)]
pub fn hops(header: &impl Header<LEN>) -> u8 {
    header.u8::<7>()
}

/// Authentication header (RFC 4302).
const AUTHENTICATION: u8 = 51;

/// Whether `next_header` is an extension header (IANA's list of RFC 7045 section 4).
#[inline(always)]
pub const fn is_extension(next_header: u8) -> bool {
    is_walked(next_header) || matches!(next_header, 50 | 253 | 254)
}

/// Whether `next_header` is an extension header that says where it ends: not ESP, which hides what follows.
#[inline(always)]
pub const fn is_walked(next_header: u8) -> bool {
    matches!(
        next_header,
        0 | 43 | FRAGMENT | AUTHENTICATION | 60 | 135 | 139 | 140
    )
}

/// Length in bytes of an extension header that is no fragment header, by its length field: in units of 8 bytes after
/// the first 8 (RFC 6564 section 4), of an authentication header in units of 4 minus 2 (RFC 4302 section 2.2).
#[inline(always)]
pub const fn extension_len(next_header: u8, field: u8) -> usize {
    if next_header == AUTHENTICATION {
        (field as usize + 2) * 4
    } else {
        (field as usize + 1) * 8
    }
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

/// The first word of a header, the way it stands in memory: version, traffic class and the 20 bits of a flow label.
#[inline(always)]
pub const fn first_word(traffic_class: u8, label: u32) -> u32 {
    (0x6000_0000 | (traffic_class as u32) << 20 | label).to_be()
}

/// The four words of an address, the way they stand in memory.
#[inline(always)]
pub const fn words(address: &Address) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h] = address[0].to_ne_bytes();
    let [i, j, k, l, m, n, o, p] = address[1].to_ne_bytes();
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
        u32::from_ne_bytes([m, n, o, p]),
    ]
}

/// A header without a flow label, the way it stands in memory. `payload` counts what follows it, in bytes.
#[inline(always)]
pub const fn composed(
    traffic_class: u8,
    payload: usize,
    [next_header, hops]: [u8; 2],
    source: &Address,
    destination: &Address,
) -> [u32; LEN / 4] {
    let [high, low] = (payload as u16).to_be_bytes();
    let [a, b, c, d] = words(source);
    let [e, f, g, h] = words(destination);
    let second = u32::from_ne_bytes([high, low, next_header, hops]);
    [first_word(traffic_class, 0), second, a, b, c, d, e, f, g, h]
}
