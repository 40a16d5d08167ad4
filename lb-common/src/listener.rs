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
    /// Destination address.
    pub address: Address,
    /// Destination port in network order, the way it stands in memory.
    pub port: u16,
    /// [`crate::TCP`] or [`crate::UDP`]; 0 marks an empty entry.
    pub protocol: u8,
    /// `CLOSING`, `OVERFLOW`.
    pub flags: u8,
    /// The service it belongs to.
    pub service: u32,
    /// Zero.
    pub reserved: [u8; 8],
}

impl Listener {
    /// No longer configured: its flows continue, everything else passes to the host.
    pub const CLOSING: u8 = 1;
    /// On a bucket's first entry: a listener whose first bucket this is stands in its second.
    pub const OVERFLOW: u8 = 2;
}

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
