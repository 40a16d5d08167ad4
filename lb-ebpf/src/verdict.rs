//! How a packet leaves the road.

use lb_common::Reason;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The host's network stack gets it, untouched.
    Pass,
    /// It is discarded.
    Drop,
    /// It leaves by the interface it came by.
    Tx,
    /// It leaves by the interface with this index.
    Redirect(u32),
}

/// The end of the road for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What becomes of it.
    pub end: End,
    /// Why.
    pub reason: Reason,
}

/// What a step may ask for when it ends the road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Give it to the host.
    Pass,
    /// Discard it.
    Drop,
    /// Answer it with a TCP reset.
    Reset,
}

impl Exit {
    /// Pass to the host because of `reason`.
    #[inline(always)]
    pub const fn pass(reason: Reason) -> Self {
        Self {
            end: End::Pass,
            reason,
        }
    }

    /// Drop because of `reason`.
    #[inline(always)]
    pub const fn drop(reason: Reason) -> Self {
        Self {
            end: End::Drop,
            reason,
        }
    }

    /// Answer with a TCP reset because of `reason`.
    #[inline(always)]
    pub const fn reset(reason: Reason) -> Self {
        Self {
            end: End::Reset,
            reason,
        }
    }
}

/// Everything that is known of a packet once it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The service it was for, 0 if none.
    pub service: u32,
    /// The backend it was forwarded to.
    pub backend: Option<u16>,
}
