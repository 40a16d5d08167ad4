//! Services and the ring that spreads their new flows.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where a ring lies: slots `base..base + len` of the ring map. One word, read whole.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Ring {
    /// First slot; a multiple of [`CHUNK`].
    pub base: u32,
    /// Number of slots; 0 where no backend may be given a new flow.
    pub len: u32,
}

/// One service. 64 bytes: one cache line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Service {
    /// Which of `rings` is in force: 0 or 1. Flipped by one store of word 0.
    pub side: u32,
    /// `USED` or 0.
    pub flags: u32,
    /// The ring in force and the one to be written next.
    pub rings: [Ring; 2],
    /// Ticks after which an idle TCP flow is stale: a SYN on its five-tuple is a new choice.
    pub tcp_idle: u32,
    /// Ticks after which an idle UDP flow has ended.
    pub udp_idle: u32,
    /// Zero; room for schedulers and limits.
    pub reserved: [u8; 32],
}

impl Service {
    /// The number is taken.
    pub const USED: u32 = 1;
}

/// The next ticket of each side of a service. 64 bytes, so that services share no line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Cursor {
    /// Tickets handed out; slot = ticket modulo ring length.
    pub tickets: [u64; 2],
    /// Zero.
    pub reserved: [u64; 6],
}

/// Ring slots per entry of the ring map: one cache line.
pub const CHUNK: u32 = 32;

/// One entry of the ring map: backend numbers.
pub type RingChunk = [u16; CHUNK as usize];
