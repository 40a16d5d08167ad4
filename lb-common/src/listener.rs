//! Listeners: which destination belongs to which service.
//!
//! A table is an array of buckets of two. A listener stands in its first bucket or, where that was full, in its
//! second; the first bucket then says so, so that a packet that is for no service looks once. There are two tables,
//! one in force and one to be written next.

use crate::Address;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One destination. 32 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Listener {
    /// Destination address; of a pattern, those bits of it that the pattern's mask keeps.
    pub address: Address,
    /// Destination port in network order, the way it stands in memory; of a pattern, its slot.
    pub port: u16,
    /// [`crate::TCP`] or [`crate::UDP`]; [`crate::ICMP`] with port 0 for the address as such. For a pattern plus
    /// [`Listener::RANGE`]. 0 marks an empty entry.
    pub protocol: u8,
    /// `CLOSING`, `OVERFLOW`.
    pub flags: u8,
    /// The service it belongs to.
    pub service: u32,
    /// Lowest port of a pattern.
    pub low: u16,
    /// Highest port of a pattern.
    pub high: u16,
    /// Leading bits of the address that count: 128 of a single address. For the agent.
    pub prefix: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

impl Listener {
    /// No longer configured: its flows continue, everything else passes to the host.
    pub const CLOSING: u8 = 1;
    /// On a bucket's first entry: a listener whose first bucket this is stands in its second.
    pub const OVERFLOW: u8 = 2;
    /// Added to the protocol of an entry that is found by a pattern, so that no exact one matches it.
    pub const RANGE: u8 = 0x80;
}

/// What listeners that are no single destination have in common: a destination is looked up once more for each
/// pattern, the most specific first, with only the bits of its address that `mask` keeps and `slot` for its port. 32
/// bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Pattern {
    /// Bits of the address that count.
    pub mask: Address,
    /// Which of several port ranges on the same addresses.
    pub slot: u16,
    /// Zero.
    pub reserved: [u8; 14],
}

/// Most patterns of one table; the map has twice as many.
pub const MAX_PATTERNS: u32 = 16;

/// Two listeners. 64 bytes: one cache line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ListenerBucket {
    /// The entries; empty ones have protocol 0.
    pub entries: [Listener; 2],
}

/// Largest number of buckets of one table; the map has twice as many. A power of two.
pub const MAX_BUCKETS: u32 = 16_384;
