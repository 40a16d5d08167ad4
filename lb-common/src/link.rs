//! Links: the interfaces, with their VLANs, that frames come by.

use crate::backend::VlanTags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One link. 32 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Link {
    /// Index of the interface that frames come by: under a bond with a program, one of those it is made of.
    pub ifindex: u32,
    /// The VLAN tags of its frames.
    pub tags: VlanTags,
    /// Own MAC address.
    pub mac: [u8; 6],
    /// Longest IP packet it takes, in bytes.
    pub mtu: u16,
    /// Index of the interface that answers leave by: the same, or the bond.
    pub egress: u32,
    /// Zero.
    pub reserved: [u8; 12],
}

/// Most links.
pub const MAX_LINKS: u32 = 64;
