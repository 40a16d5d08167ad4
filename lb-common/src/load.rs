//! How many flows each backend has, for the schedulers that ask.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The flows of one backend, counted where they begin and end. 64 bytes, so that backends share no line.
///
/// A flow that ends without a packet is not seen to end: the agent counts the flow table now and then and stores what
/// the difference is off by.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Load {
    /// Flows given to it; wraps.
    pub begun: u64,
    /// Flows seen to end or forgotten; wraps.
    pub ended: u64,
    /// What to add to the difference; wraps.
    pub correction: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

impl Load {
    /// Flows it has now; at least 0, because the parts are read one after the other.
    #[inline(always)]
    pub const fn flows(&self) -> u64 {
        let flows = self
            .begun
            .wrapping_sub(self.ended)
            .wrapping_add(self.correction);
        // Without a branch: nothing where the highest bit says that it is negative; and never more than 2^40.
        flows & (flows >> 63).wrapping_sub(1) & ((1 << 40) - 1)
    }
}
