//! Where a packet is counted.

use crate::Reason;

/// A per-CPU pair: packets, bytes (frame length without FCS).
pub type PacketsBytes = [u64; 2];

/// Row of the backend counters: packets, bytes, new flows, zero.
pub type BackendCounts = [u64; 4];

/// Reasons reserved per service; a power of two, so that the index is a shift.
pub const REASONS_PER_SERVICE: u32 = 64;

/// Index into the counters of `service` (0 where no service was found) for `reason`.
#[inline(always)]
pub const fn index(service: u32, reason: Reason) -> u32 {
    service * REASONS_PER_SERVICE + reason as u32
}

const _: () = assert!(Reason::ALL.len() <= REASONS_PER_SERVICE as usize);
