//! IPv4 (RFC 791).

use crate::{checksum, packet::Header};

/// Length of the header without options.
pub const LEN: usize = 20;
/// Protocol number of an IPv4 packet inside another packet.
pub const PROTOCOL: u8 = 4;
/// Flag in byte 6: don't fragment.
pub const DONT_FRAGMENT: u8 = 0x40;

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

/// DSCP and ECN: the byte called type of service (RFC 2474, RFC 3168).
#[inline(always)]
pub fn traffic_class(header: &impl Header<LEN>) -> u8 {
    header.u8::<1>()
}

/// Length of header and payload, in bytes.
#[inline(always)]
pub fn total_len(header: &impl Header<LEN>) -> usize {
    usize::from(u16::from_be(header.u16::<2>()))
}

/// Identification, flags and fragment offset, the way they stand in memory.
#[inline(always)]
pub fn fragmentation(header: &impl Header<LEN>) -> u32 {
    header.u32::<4>()
}

/// Whether this is a fragment: more fragments follow, or it does not begin at 0.
#[inline(always)]
pub fn is_fragment(header: &impl Header<LEN>) -> bool {
    header.u16::<6>() & 0x3fff_u16.to_be() != 0
}

/// Identification, the way it stands in memory: fragments of one packet share it.
#[inline(always)]
pub fn identification(header: &impl Header<LEN>) -> u16 {
    header.u16::<4>()
}

/// Where in the packet a fragment's payload begins, in units of 8 bytes.
#[inline(always)]
pub fn fragment_offset(header: &impl Header<LEN>) -> u16 {
    u16::from_be(header.u16::<6>()) & 0x1fff
}

/// Time to live.
#[inline(always)]
pub fn hops(header: &impl Header<LEN>) -> u8 {
    header.u8::<8>()
}

/// Protocol of the payload.
#[inline(always)]
pub fn protocol(header: &impl Header<LEN>) -> u8 {
    header.u8::<9>()
}

/// Header checksum, the way it stands in memory.
#[inline(always)]
pub fn checksum(header: &impl Header<LEN>) -> u16 {
    header.u16::<10>()
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

/// A header without options, with its checksum, the way it stands in memory. `len` counts header and payload in bytes;
/// `fragmentation` and the addresses are given as they stand in memory, too.
#[inline(always)]
pub fn composed(
    traffic_class: u8,
    len: usize,
    fragmentation: u32,
    [hops, protocol]: [u8; 2],
    source: u32,
    destination: u32,
) -> [u32; LEN / 4] {
    let [high, low] = (len as u16).to_be_bytes();
    let mut header = [
        u32::from_ne_bytes([0x45, traffic_class, high, low]),
        fragmentation,
        u32::from_ne_bytes([hops, protocol, 0, 0]),
        source,
        destination,
    ];
    let [a, b] = checksum::finish(checksum::add(0, &header)).to_ne_bytes();
    header[2] = u32::from_ne_bytes([hops, protocol, a, b]);
    header
}
