//! One backend of one service, as the packet path needs it.

use crate::Address;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A backend's place in the network and what it may be given. 64 bytes: one cache line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Backend {
    /// What the backend may be given: `ACCEPTS`, `SERVES`, `REACHABLE`, `USED`.
    pub flags: u8,
    /// Zero.
    pub reserved0: u8,
    /// Changes each time this slot is given to another backend, so that no flow of the former one matches.
    pub incarnation: u16,
    /// Index of the interface the frame leaves by.
    pub ifindex: u32,
    /// The first 12 bytes of the frame: next hop's MAC address, own MAC address.
    pub ethernet: [u32; 3],
    /// The service this backend belongs to.
    pub service: u32,
    /// The backend's address.
    pub address: Address,
    /// Zero; room for ports and tunnel ends.
    pub reserved1: [u8; 24],
}

impl Backend {
    /// New flows may be given to it.
    pub const ACCEPTS: u8 = 1;
    /// Flows it already has may continue.
    pub const SERVES: u8 = 2;
    /// `next_hop`, `source` and `ifindex` are known.
    pub const REACHABLE: u8 = 4;
    /// The slot is taken.
    pub const USED: u8 = 8;

    /// The first 12 bytes of a frame from `source` to `next_hop`.
    pub fn ethernet(next_hop: [u8; 6], source: [u8; 6]) -> [u32; 3] {
        let [a, b, c, d, e, f] = next_hop;
        let [g, h, i, j, k, l] = source;
        [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes)
    }

    /// The next hop's MAC address.
    pub const fn next_hop(&self) -> [u8; 6] {
        let [a, b, c, d] = self.ethernet[0].to_ne_bytes();
        let [e, f, _, _] = self.ethernet[1].to_ne_bytes();
        [a, b, c, d, e, f]
    }

    /// Whether all of `flags` are set.
    #[inline(always)]
    pub const fn is(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}
