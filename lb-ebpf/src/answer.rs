//! Packets that lb makes itself, each out of the frame of the packet it answers, which goes back the way it came:
//! by the same interface, with its Ethernet addresses exchanged and its VLAN tags as they were.
//!
//! Where one of them says `None` the frame may be half changed: it is to be dropped.

pub mod echo;
pub mod error;
pub mod reset;

use crate::{
    checksum,
    header::{ethernet, ipv4, ipv6},
    packet::{Header, Packet},
};

/// Time to live and hop limit of every answer: what hosts use (RFC 1700).
const HOPS: u8 = 64;

/// Exchanges the frame's Ethernet addresses.
#[inline(always)]
fn turn<P: Packet>(packet: &mut P) -> Option<()> {
    let turned = turned(&packet.header::<{ ethernet::LEN }>(0)?);
    packet.store(0, &turned)
}

/// The first 12 bytes of an answer to `frame`: back to the sender.
#[inline(always)]
fn turned(frame: &impl Header<{ ethernet::LEN }>) -> [u32; 3] {
    [
        pair(frame.u16::<6>(), frame.u16::<8>()),
        pair(frame.u16::<10>(), frame.u16::<0>()),
        pair(frame.u16::<2>(), frame.u16::<4>()),
    ]
}

/// An IPv4 header without options from `source` to `destination`, both the way they stand in memory, for `len` bytes
/// of `protocol` behind it.
#[inline(always)]
fn header_v4(protocol: u8, len: usize, source: u32, destination: u32) -> [u32; 5] {
    let [high, low] = ((ipv4::LEN + len) as u16).to_be_bytes();
    // Nothing will fragment the answer, so that its identification may be 0 (RFC 6864 section 4.1).
    let dont_fragment = 0x40;
    let mut header = [
        word([0x45, 0, high, low]),
        word([0, 0, dont_fragment, 0]),
        word([HOPS, protocol, 0, 0]),
        source,
        destination,
    ];
    let [a, b] = checksum::finish(checksum::add(0, &header)).to_ne_bytes();
    header[2] = word([HOPS, protocol, a, b]);
    header
}

/// The IPv6 header of an answer to the packet of `header`, with `len` bytes of `protocol` behind it.
#[inline(always)]
fn header_v6(protocol: u8, len: usize, header: &impl Header<{ ipv6::LEN }>) -> [u32; 10] {
    let [high, low] = (len as u16).to_be_bytes();
    [
        word([0x60, 0, 0, 0]),
        word([high, low, protocol, HOPS]),
        header.u32::<24>(),
        header.u32::<28>(),
        header.u32::<32>(),
        header.u32::<36>(),
        header.u32::<8>(),
        header.u32::<12>(),
        header.u32::<16>(),
        header.u32::<20>(),
    ]
}

/// The sum of the pseudo-header of `len` bytes of `protocol` (RFC 9293 section 3.1, RFC 8200 section 8.1). The words
/// of `header` from `addresses` on are both addresses.
#[inline(always)]
fn pseudo<const N: usize>(protocol: u8, len: usize, header: &[u32; N], addresses: usize) -> u64 {
    let [high, low] = (len as u16).to_be_bytes();
    let mut sum = u64::from(word([0, protocol, high, low]));
    let mut at = addresses;
    while at < N {
        sum += u64::from(header[at]);
        at += 1;
    }
    sum
}

/// Where both addresses begin in an IPv4 header, in words.
const ADDRESSES_V4: usize = 3;
/// Where both addresses begin in an IPv6 header, in words.
const ADDRESSES_V6: usize = 2;

#[inline(always)]
fn pair(first: u16, second: u16) -> u32 {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    word([a, b, c, d])
}

#[inline(always)]
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}
