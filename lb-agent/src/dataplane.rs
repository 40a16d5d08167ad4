//! The agent's side of the maps: observe, apply, count. Only the files below know aya.

pub mod bpffs;
pub mod fake;
pub mod frames;
pub mod kernel;
mod mapped;
pub mod pins;

use std::collections::BTreeMap;

use anyhow::Result;
use lb_common::{Event, Explained, Reason, memory::Memory};

use crate::api::model::Count;

/// What was counted for one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendCount {
    /// Packets and bytes forwarded.
    pub forwarded: Count,
    /// Flows it was given.
    pub new_flows: u64,
}

/// A dry run of one packet.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// XDP action the program returned.
    pub action: u32,
    /// What it decided.
    pub explained: Explained,
}

/// The maps and what the kernel does with them.
pub trait Dataplane: Memory + Send + Sync {
    /// Returns when no packet is under way any more that saw the maps as they were before the call.
    ///
    /// # Errors
    /// Where the kernel cannot say so.
    fn grace(&self) -> Result<()>;

    /// Packets and bytes by reason for one service; 0 is "no service". Only those that are not zero.
    ///
    /// # Errors
    /// Where a map cannot be read.
    fn counts(&self, service: u32) -> Result<BTreeMap<Reason, Count>>;

    /// What was counted for one backend.
    ///
    /// # Errors
    /// Where a map cannot be read.
    fn backend_count(&self, backend: u16) -> Result<BackendCount>;

    /// All events.
    ///
    /// # Errors
    /// Where a map cannot be read.
    fn events(&self) -> Result<BTreeMap<Event, u64>>;

    /// Sets the counters of a service to zero.
    ///
    /// # Errors
    /// Where a map cannot be written.
    fn forget_service(&self, service: u32) -> Result<()>;

    /// Sets the counters of a backend to zero.
    ///
    /// # Errors
    /// Where a map cannot be written.
    fn forget_backend(&self, backend: u16) -> Result<()>;

    /// Asks the loaded program what it would do with `frame`.
    ///
    /// # Errors
    /// Where the program cannot be run.
    fn dry_run(&self, frame: &[u8]) -> Result<DryRun>;

    /// The packet path's current tick (jiffies).
    ///
    /// # Errors
    /// Where the program cannot be run.
    fn now(&self) -> Result<u32> {
        // Any frame will do; 14 bytes are the least that the kernel takes.
        Ok(self.dry_run(&[0; 14])?.explained.now)
    }

    /// Flows the flow table can hold.
    fn flow_capacity(&self) -> u64 {
        self.words(lb_common::Map::FlowTags).len() as u64
    }
}
