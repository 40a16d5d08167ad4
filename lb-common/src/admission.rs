//! Which clients a service lets in: the address space cut at bounds, each of which says what holds from there to the
//! next. The first bound of a service is the lowest address of all.

use crate::Address;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One bound. 24 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Bound {
    /// 1 if clients from here on are let in, 0 if not.
    pub admits: u64,
    /// First address, as two numbers in the host's order.
    pub from: [u64; 2],
}

impl Bound {
    /// An address as bounds compare it.
    #[inline(always)]
    pub const fn place(address: &Address) -> [u64; 2] {
        [u64::from_be(address[0]), u64::from_be(address[1])]
    }
}

/// Bounds of all services together.
pub const MAX_BOUNDS: u32 = 65_536;
/// Most bounds of one service: a search takes 16 steps.
pub const MAX_BOUNDS_OF_ONE: u32 = 65_535;
