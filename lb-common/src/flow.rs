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
    /// [`crate::TCP`] or [`crate::UDP`]; of fragments and affinities see [`Flow`].
    pub protocol: u32,
}

impl FlowKey {
    /// Added to the protocol of a fragment's key.
    pub const FRAGMENT: u32 = 0x100;
    /// Protocol of an affinity's key.
    pub const AFFINITY: u32 = 0x200;

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

    /// The first of two ports, in network order, the way it stands in memory.
    #[inline(always)]
    pub const fn first_port_ne(ports: u32) -> u16 {
        let [a, b, _, _] = ports.to_ne_bytes();
        u16::from_ne_bytes([a, b])
    }

    /// Two ports as one word; all in network order, the way they stand in memory.
    #[inline(always)]
    pub const fn join_ne(first: u16, second: u16) -> u32 {
        let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
        u32::from_ne_bytes([a, b, c, d])
    }

    /// The service's port in network order, the way it stands in memory.
    #[inline(always)]
    pub const fn vip_port_ne(&self) -> u16 {
        let [_, _, c, d] = self.ports.to_ne_bytes();
        u16::from_ne_bytes([c, d])
    }
}

/// What is remembered of one flow. 64 bytes: one cache line.
///
/// A translated flow has two entries, each the other's twin: one is found by the client's packets, one by the
/// backend's. Both hold the client's five-tuple.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Flow {
    /// The client's five-tuple; that of a fragment or of an affinity is described at its `kind`.
    pub key: FlowKey,
    /// Tick of the last packet, to within `Control::seen_step` and a turn.
    pub seen: u32,
    /// One of `Flow::OPENING`, `OPEN`, `CLOSED`, `CLIENT_CLOSED`, `BACKEND_CLOSED`. Of a fragment `FORWARD` or `REPLY`:
    /// whose packet it is part of.
    pub state: u8,
    /// One of `Flow::FORWARD`, `REPLY`, `FRAGMENT`, `AFFINITY`.
    pub kind: u8,
    /// Number of the source address the backend sees, [`crate::backend::NO_SOURCE`] where it sees the client's.
    pub source: u16,
    /// Where its twin stands: bucket times [`WAYS`] plus way; [`Flow::NO_TWIN`] without one. A fragment's is the flow
    /// it belongs to.
    pub twin: u32,
    /// The service that chose the backend.
    pub service: u16,
    /// The port the backend sees, in network order the way it stands in memory.
    pub port: u16,
    /// Forward: TCP sequence number of the SYN that began the flow, in network order the way it stands in memory.
    /// Reply: the first four bytes of the MAC address that the client's packets come from. Fragment: the tag of the
    /// flow it belongs to.
    pub isn: u32,
    /// Forward: tick of the first packet. Reply: the last two bytes of that MAC address, then the number of the link
    /// they come by.
    pub born: u32,
}

impl Flow {
    /// TCP: only SYNs were seen.
    pub const OPENING: u8 = 0;
    /// Anything else was seen of it; a UDP flow is always open.
    pub const OPEN: u8 = 1;
    /// TCP: over. Where only the client is seen: it sent FIN or RST.
    pub const CLOSED: u8 = 2;
    /// TCP, translated: the client sent FIN, the backend did not.
    pub const CLIENT_CLOSED: u8 = 3;
    /// TCP, translated: the backend sent FIN, the client did not.
    pub const BACKEND_CLOSED: u8 = 4;

    /// Found by the client's packets.
    pub const FORWARD: u8 = 0;
    /// Found by the backend's packets.
    pub const REPLY: u8 = 1;
    /// Found by later fragments of a packet. Its key holds the packet's addresses, its identification as `ports`, and
    /// its protocol plus [`FlowKey::FRAGMENT`].
    pub const FRAGMENT: u8 = 2;
    /// Found by new flows of a client. Its key holds the client's prefix, the service's number as second word of `vip`
    /// and [`FlowKey::AFFINITY`] as protocol.
    pub const AFFINITY: u8 = 3;

    /// It has no twin.
    pub const NO_TWIN: u32 = u32::MAX;

    /// The client's packets come by a link that is not known.
    pub const NO_LINK: u16 = 0x7fff;
    /// Bit beside the number of a link: answers leave by the host's routes where these know a way.
    pub const BY_ROUTE: u16 = 0x8000;

    /// `isn` and `born` of a reply: where the client's packets come from; `link` may have [`Self::BY_ROUTE`].
    pub const fn last_hop(mac: [u8; 6], link: u16) -> (u32, u32) {
        let [a, b, c, d, e, f] = mac;
        let [g, h] = link.to_ne_bytes();
        (
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
        )
    }

    /// Number of the link in a reply's `born`.
    #[inline(always)]
    pub const fn link(&self) -> u16 {
        self.link_word() & !Self::BY_ROUTE
    }

    /// Whether a reply leaves by the host's routes.
    #[inline(always)]
    pub const fn is_by_route(&self) -> bool {
        self.link_word() & Self::BY_ROUTE != 0
    }

    #[inline(always)]
    const fn link_word(&self) -> u16 {
        let [_, _, c, d] = self.born.to_ne_bytes();
        u16::from_ne_bytes([c, d])
    }
}
