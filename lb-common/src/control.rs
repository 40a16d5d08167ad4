//! The one record that holds what every packet needs first.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Global state of the data path. 64 bytes; the map has this one entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Control {
    /// [`crate::ABI_VERSION`] of the build that made the maps.
    pub abi_version: u32,
    /// Which of the two listener tables is in force: 0 or 1. Flipped by one store of word 0.
    pub listener_side: u32,
    /// Number of buckets of each listener table, minus one; a power of two minus one.
    pub listener_mask: [u32; 2],
    /// Hash seed of each listener table, chosen so that no bucket overflows.
    pub listener_seed: [u64; 2],
    /// Hash seed of the flow table; random, so that nobody outside can aim at a bucket.
    pub flow_seed: u64,
    /// Number of buckets of the flow table, minus one; a power of two minus one.
    pub flow_mask: u32,
    /// A flow's `seen` is stored again only when it is this many ticks old, so that hits rarely write. As packets go by
    /// what is at hand for a turn of the clock, it may get that much older: to a second in all.
    pub seen_step: u32,
    /// Ticks (jiffies) per second.
    pub hz: u32,
    /// Number of patterns of each listener table.
    pub patterns: [u8; 2],
    /// Number of links.
    pub links: u8,
    /// A turn of the clock is two to the power of this many ticks ([`crate::cache::turn`]).
    pub turn: u8,
    /// Lowest and highest port that translated flows are given on a source address.
    pub nat_ports: [u16; 2],
    /// Lowest and highest port at which answers of backends come in; none where the first is the higher one.
    pub reply_ports: [u16; 2],
}
