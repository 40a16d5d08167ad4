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
    /// How packets are brought to it: `DSR`, `NAT`, `NAT_CLIENT`, `IPIP`, `GUE`, `GUE_HEADER`.
    pub forward: u8,
    /// Changes each time this slot is given to another backend, so that no flow of the former one matches.
    pub incarnation: u16,
    /// Index of the interface the frame leaves by.
    pub ifindex: u32,
    /// The first 12 bytes of the frame: next hop's MAC address, own MAC address.
    pub ethernet: [u32; 3],
    /// The VLAN tags the frame leaves with.
    pub tags: VlanTags,
    /// The backend's address.
    pub address: Address,
    /// NAT: the port the backend listens on, 0 for the client's destination port. GUE: the UDP port of the tunnel's
    /// end. In network order, the way it stands in memory.
    pub port: u16,
    /// Longest IP packet the way to it takes, in bytes.
    pub mtu: u16,
    /// The service this backend belongs to.
    pub service: u16,
    /// Time to live or hop limit of the outer header of a tunnel.
    pub hops: u8,
    /// Zero.
    pub reserved: u8,
    /// Tunnels: the outer source address. NAT: [`Sources`].
    pub ends: [u64; 2],
}

/// Numbers of up to eight source addresses, [`NO_SOURCE`] where there are fewer.
pub type Sources = [u16; 8];

/// No source address.
pub const NO_SOURCE: u16 = u16::MAX;

/// The tag control information of up to two VLAN tags, outer first, in network order the way they stand in memory;
/// 0 where there is no tag. A single tag is 802.1Q; of two, the outer one is 802.1ad.
pub type VlanTags = [u16; 2];

impl Backend {
    /// New flows may be given to it.
    pub const ACCEPTS: u8 = 1;
    /// Flows it already has may continue.
    pub const SERVES: u8 = 2;
    /// `ethernet` and `ifindex` are known.
    pub const REACHABLE: u8 = 4;
    /// The slot is taken.
    pub const USED: u8 = 8;

    /// Direct return: only the frame's MAC addresses change.
    pub const DSR: u8 = 0;
    /// Both addresses are translated; the backend answers to one of ours.
    pub const NAT: u8 = 1;
    /// Only the destination is translated; the backend's route to the client leads through this host.
    pub const NAT_CLIENT: u8 = 2;
    /// IP in IP (RFC 2003, RFC 2473, RFC 4213).
    pub const IPIP: u8 = 3;
    /// Generic UDP encapsulation, variant 1: the IP packet follows the UDP header at once.
    pub const GUE: u8 = 4;
    /// Generic UDP encapsulation, variant 0: a header of 4 bytes comes between.
    pub const GUE_HEADER: u8 = 5;

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

    /// `ends` of a backend that is reached from one of these source addresses.
    pub fn from_sources(sources: Sources) -> [u64; 2] {
        let word = |four: [u16; 4]| {
            let [[a, b], [c, d], [e, f], [g, h]] = four.map(u16::to_ne_bytes);
            u64::from_ne_bytes([a, b, c, d, e, f, g, h])
        };
        let [a, b, c, d, e, f, g, h] = sources;
        [word([a, b, c, d]), word([e, f, g, h])]
    }

    /// The number of its source address `index`, which is taken modulo eight.
    #[inline(always)]
    pub const fn source(&self, index: u32) -> u16 {
        let word = if index & 4 == 0 {
            self.ends[0]
        } else {
            self.ends[1]
        };
        let place = if cfg!(target_endian = "little") {
            index & 3
        } else {
            3 - (index & 3)
        };
        (word >> (16 * place)) as u16
    }

    /// Whether all of `flags` are set.
    #[inline(always)]
    pub const fn is(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Whether its answers come back through this host.
    #[inline(always)]
    pub const fn is_translated(&self) -> bool {
        matches!(self.forward, Self::NAT | Self::NAT_CLIENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_where_they_were_put() {
        let sources = [1, 2, 3, 4, 5, 6, 7, NO_SOURCE];
        let backend = Backend {
            ends: Backend::from_sources(sources),
            ..Backend::default()
        };
        for (index, number) in (0..).zip(sources) {
            assert_eq!(backend.source(index), number);
            assert_eq!(backend.source(index + 8), number);
        }
    }
}
