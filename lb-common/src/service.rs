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
    /// `USED`, `ONE_PACKET`, `ECHO`, `BY_ROUTE`.
    pub flags: u32,
    /// The ring in force and the one to be written next.
    pub rings: [Ring; 2],
    /// Ticks after which an idle TCP flow is stale: a SYN on its five-tuple is a new choice.
    pub tcp_idle: u32,
    /// Ticks after which an idle UDP flow has ended.
    pub udp_idle: u32,
    /// How the ring is read: `ROUND_ROBIN`, ...
    pub scheduler: u8,
    /// Leading bits of a client's address that stand for it, IPv4 then IPv6: for source hash and affinity.
    pub prefix: [u8; 2],
    /// Zero.
    pub reserved0: u8,
    /// Largest TCP segment that SYNs may announce, 0 for any.
    pub mss: u16,
    /// Zero.
    pub reserved1: u16,
    /// Which clients are let in: bounds `base..base + len`; all are where it is empty.
    pub admission: Ring,
    /// Ticks a TCP flow of which only SYNs were seen is remembered.
    pub tcp_opening: u32,
    /// Ticks a TCP flow that one side has closed is remembered.
    pub tcp_closing: u32,
    /// Ticks a TCP flow that is over is remembered.
    pub tcp_closed: u32,
    /// Ticks a client's affinity lasts after its last new flow, 0 for none.
    pub affinity: u32,
}

impl Service {
    /// The number is taken.
    pub const USED: u32 = 1;
    /// UDP: every datagram is scheduled by itself and none is remembered.
    pub const ONE_PACKET: u32 = 2;
    /// Echo requests to its addresses are answered.
    pub const ECHO: u32 = 4;
    /// Translated: answers leave by the host's routes and not by the way the request came.
    pub const BY_ROUTE: u32 = 8;

    /// Slots in the order of tickets.
    pub const ROUND_ROBIN: u8 = 0;
    /// The slot that the flow's hash names.
    pub const MAGLEV: u8 = 1;
    /// The slot that the hash of the client's prefix names.
    pub const SOURCE_HASH: u8 = 2;
    /// The backend with the fewest flows for its weight; the slots hold backend and weight in turn.
    pub const LEAST_CONNECTIONS: u8 = 3;
    /// Of two slots drawn at random the one whose backend has fewer flows for its weight.
    pub const RANDOM_TWO: u8 = 4;

    /// Whether the same flow is given the same backend as long as the ring does not change.
    #[inline(always)]
    pub const fn is_consistent(&self) -> bool {
        matches!(self.scheduler, Self::MAGLEV | Self::SOURCE_HASH)
    }

    /// Whether its scheduler asks how many flows each backend has.
    #[inline(always)]
    pub const fn counts_flows(&self) -> bool {
        matches!(self.scheduler, Self::LEAST_CONNECTIONS | Self::RANDOM_TWO)
    }
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
