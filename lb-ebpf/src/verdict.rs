//! How a packet leaves the road.

use lb_common::{Handover, Reason, Stage};

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

/// Why a step does not go on to the next one. One word, so that it travels in a register.
///
/// Bits 0..16 [`Reason`], 16..24 kind, 24..32 which of that kind, 32..64 the longest packet that would have fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(u64);

/// What a [`Turn`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The packet leaves the road.
    Leave(Verdict, Reason),
    /// Another stage takes the packet, which is as it came.
    On(Stage),
    /// The packet is answered: one of [`Handover::RESET`], ...; why; the longest packet that would have fitted.
    Answer(u32, Reason, u32),
}

impl Turn {
    const PASS: u64 = 0 << 16;
    const DROP: u64 = 1 << 16;
    const SEND_BACK: u64 = 2 << 16;
    const ON: u64 = 3 << 16;
    const ANSWER: u64 = 4 << 16;

    /// Pass to the host because of `reason`.
    #[inline(always)]
    pub const fn pass(reason: Reason) -> Self {
        Self(Self::PASS | reason as u64)
    }

    /// Drop because of `reason`.
    #[inline(always)]
    pub const fn drop(reason: Reason) -> Self {
        Self(Self::DROP | reason as u64)
    }

    /// Send the frame, which is an answer, back by the interface it came by.
    #[inline(always)]
    pub const fn send_back(reason: Reason) -> Self {
        Self(Self::SEND_BACK | reason as u64)
    }

    /// Let another stage take the packet.
    #[inline(always)]
    pub const fn on(stage: Stage) -> Self {
        Self(Self::ON | (stage as u64) << 24)
    }

    /// Answer with a TCP reset because of `reason`.
    #[inline(always)]
    pub const fn reset(reason: Reason) -> Self {
        Self(Self::ANSWER | (Handover::RESET as u64) << 24 | reason as u64)
    }

    /// Answer that packets of `mtu` bytes would have fitted.
    #[inline(always)]
    pub const fn too_big(mtu: u16) -> Self {
        let kind = Self::ANSWER | (Handover::TOO_BIG as u64) << 24;
        Self(kind | Reason::TooBig as u64 | (mtu as u64) << 32)
    }

    /// Answer that the time to live ran out.
    #[inline(always)]
    pub const fn expired() -> Self {
        Self(Self::ANSWER | (Handover::EXPIRED as u64) << 24 | Reason::Expired as u64)
    }

    /// What it says.
    #[inline(always)]
    pub fn read(self) -> Way {
        let which = (self.0 >> 24) as u32 & 0xff;
        let reason = Reason::from_number(self.0 as u32 & 0xffff).unwrap_or(Reason::Inconsistent);
        match self.0 & 0xff_0000 {
            Self::PASS => Way::Leave(Verdict::Pass, reason),
            Self::SEND_BACK => Way::Leave(Verdict::Tx, reason),
            Self::ON => Way::On(Stage::from_number(which)),
            Self::ANSWER => Way::Answer(which, reason, (self.0 >> 32) as u32),
            _ => Way::Leave(Verdict::Drop, reason),
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
    /// The backend it was forwarded to, or whose answer it is.
    pub backend: Option<u16>,
}
