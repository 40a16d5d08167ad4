//! What a dry run of the packet path decided.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The outcome of the last dry run: 24 bytes; the map has this one entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Explained {
    /// [`crate::Reason`] as a number.
    pub reason: u32,
    /// Service, 0 if none was found.
    pub service: u32,
    /// Backend, [`Explained::NO_BACKEND`] if none was chosen.
    pub backend: u32,
    /// Interface the packet would leave by, 0 if it would not.
    pub ifindex: u32,
    /// The tick it ran at.
    pub now: u32,
    /// Zero.
    pub reserved: u32,
}

impl Explained {
    /// Value of `backend` where there is none.
    pub const NO_BACKEND: u32 = u32::MAX;
}
