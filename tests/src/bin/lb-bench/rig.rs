//! lb and the reference, each with tables of its own, configured alike and with room for as many flows.

use std::sync::atomic::Ordering;

use anyhow::Result;
use lb_agent::dataplane::Dataplane as _;
use lb_common::{Map, Reason, memory::Memory as _};
use lb_tests::engines::World;

use super::{layout::Layout, reference::Reference};

/// Which one. Cases that name the same share their flows' table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// What tells it from others that are alike.
    pub name: &'static str,
    /// The configuration.
    pub layout: Layout,
    /// Flows there is room for.
    pub room: u32,
}

/// Both balancers.
pub struct Rig {
    /// lb.
    pub world: World,
    /// What it is compared with.
    pub reference: Reference,
}

impl Rig {
    /// Loads both.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn new(key: &Key) -> Result<Self> {
        let config = key.layout.config()?;
        Ok(Self {
            world: World::new(&config, key.room)?,
            reference: Reference::new(&config, key.room)?,
        })
    }

    /// Lets lb forget every flow.
    pub fn empty(&self) {
        for tag in self.world.kernel.words(Map::FlowTags) {
            tag.store(0, Ordering::Relaxed);
        }
    }

    /// Packets of all services that lb counted for this reason so far.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    pub fn counted(&self, reason: Reason) -> Result<u64> {
        let numbers = self.world.target.views.iter().map(|view| view.number);
        let mut sum = 0;
        for service in numbers.chain([0]) {
            let counts = self.world.kernel.counts(service)?;
            sum += counts.get(&reason).map_or(0, |count| count.packets);
        }
        Ok(sum)
    }

    /// Packets that lb counted as forwarded to a backend so far.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    pub fn forwarded(&self) -> Result<u64> {
        let views = self.world.target.views.iter();
        let mut sum = 0;
        for backend in views.flat_map(|view| &view.backends) {
            sum += self
                .world
                .kernel
                .backend_count(backend.number)?
                .forwarded
                .packets;
        }
        Ok(sum)
    }
}
