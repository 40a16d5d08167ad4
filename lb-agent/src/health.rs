//! Whether backends live: what a probe saw, and what a row of such sights means.
//!
//! [`fsm`] is pure: outcomes in, transitions out. [`probe`] does I/O only. Neither touches a map, and neither knows
//! what the operator wants; `target` combines the two.

pub mod fsm;
pub mod probe;

pub use fsm::{Fsm, Health, Outcome, Timing, Transition};

use crate::config::Probe;

impl From<&Probe> for Timing {
    fn from(probe: &Probe) -> Self {
        Self {
            interval: probe.interval,
            fast: probe.fast_interval,
            down: probe.down_interval,
        }
    }
}
