//! Flows: which backend each one has.
//!
//! The table is an array of buckets of [`WAYS`] flows. The tags of a bucket share one cache line and name the
//! backend, so that finding a flow costs that line and the one with its key. A tag is one 64-bit word: it is
//! read, claimed and published whole, which is all the locking the table needs.

use crate::Address;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Flows per bucket.
pub const WAYS: u32 = 8;

/// The tags of one bucket: one cache line.
pub type FlowTags = [u64; WAYS as usize];

/// One word that says: this way holds a flow with this tag, on this backend of this incarnation.
///
/// Bits 0..32 tag (never 0 for a flow), 32..48 backend, 48..64 incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTag(pub u64);

impl FlowTag {
    /// Nothing is here.
    pub const FREE: Self = Self(0);
    /// A writer is at work here: no tag, so that nobody matches it.
    pub const CLAIMED: Self = Self(1 << 32);

    /// The word for a flow whose hash is `hash`.
    #[inline(always)]
    pub const fn new(hash: u64, backend: u16, incarnation: u16) -> Self {
        Self(Self::tag_of(hash) as u64 | (backend as u64) << 32 | (incarnation as u64) << 48)
    }

    /// The tag of a flow whose hash is `hash`: its upper half, because the lower half chose the bucket.
    #[inline(always)]
    pub const fn tag_of(hash: u64) -> u32 {
        (hash >> 32) as u32 | 1
    }

    /// The tag, 0 where there is no flow.
    #[inline(always)]
    pub const fn tag(self) -> u32 {
        self.0 as u32
    }

    /// Index of the backend.
    #[inline(always)]
    pub const fn backend(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// The backend's incarnation when the flow was given to it.
    #[inline(always)]
    pub const fn incarnation(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Whether a flow is here.
    #[inline(always)]
    pub const fn is_flow(self) -> bool {
        self.tag() != 0
    }
}

/// The five-tuple of a flow.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowKey {
    /// The client's address.
    pub client: Address,
    /// The service's address.
    pub vip: Address,
    /// The client's port, then the service's, in network order, as one word the way it stands in memory.
    pub ports: u32,
    /// [`crate::TCP`] or [`crate::UDP`].
    pub protocol: u32,
}

impl FlowKey {
    /// The word `ports` for these two, given in the host's order.
    pub const fn ports(client: u16, vip: u16) -> u32 {
        let ([a, b], [c, d]) = (client.to_be_bytes(), vip.to_be_bytes());
        u32::from_ne_bytes([a, b, c, d])
    }

    /// The client's port in the host's order.
    pub const fn client_port(&self) -> u16 {
        let [a, b, _, _] = self.ports.to_ne_bytes();
        u16::from_be_bytes([a, b])
    }

    /// The service's port in the host's order.
    pub const fn vip_port(&self) -> u16 {
        let [_, _, c, d] = self.ports.to_ne_bytes();
        u16::from_be_bytes([c, d])
    }

    /// The service's port in network order, the way it stands in memory.
    #[inline(always)]
    pub const fn vip_port_ne(&self) -> u16 {
        let [_, _, c, d] = self.ports.to_ne_bytes();
        u16::from_ne_bytes([c, d])
    }
}

/// What is remembered of one flow. 64 bytes: one cache line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Flow {
    /// Whose packets these are.
    pub key: FlowKey,
    /// Tick of the last packet, to within `Control::seen_step`.
    pub seen: u32,
    /// One of `Flow::OPENING`, `OPEN`, `CLOSED`.
    pub state: u32,
    /// TCP: sequence number of the SYN that began the flow, in network order, the way it stands in memory.
    pub isn: u32,
    /// The service that chose the backend.
    pub service: u32,
    /// Tick of the first packet.
    pub born: u32,
    /// Zero.
    pub reserved: u32,
}

impl Flow {
    /// TCP: only SYNs were seen.
    pub const OPENING: u32 = 0;
    /// Anything else was seen of it; a UDP flow is always open.
    pub const OPEN: u32 = 1;
    /// TCP: the client sent FIN or RST.
    pub const CLOSED: u32 = 2;
}
