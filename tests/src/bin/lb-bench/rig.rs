//! lb and the reference, each with tables of its own, configured alike and with room for as many flows.

use std::{net::IpAddr, sync::atomic::Ordering};

use anyhow::Result;
use lb_agent::{dataplane::Dataplane as _, observed::flows};
use lb_common::{Control, Event, Map, Reason, address::to_ip, memory::Memory as _};
use lb_ebpf::testing::HostTables;
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
        let mut world = World::new(&config, key.room)?;
        // The tables of the engine on the host, which measures nothing, are as large as the kernel's.
        world.host = HostTables::default();
        Ok(Self {
            world,
            reference: Reference::new(&config, key.room)?,
        })
    }

    /// Lets lb forget every flow.
    pub fn empty(&self) {
        for tag in self.world.kernel.words(Map::FlowTags) {
            tag.store(0, Ordering::Relaxed);
        }
        self.world.begin_epochs();
    }

    /// Lets flows be hashed with `seed` from now on.
    pub fn reseed(&self, seed: u64) {
        self.world
            .change::<Control>(Map::Control, 0, |control| control.flow_seed = seed);
    }

    /// Flows that found no place, or cost another its place, so far.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    pub fn displaced(&self) -> Result<u64> {
        let events = self.world.kernel.events()?;
        let of = |event| events.get(&event).copied().unwrap_or_default();
        Ok(of(Event::FlowEvicted) + of(Event::FlowUnrecorded) + of(Event::PortsExhausted))
    }

    /// Flows that lb remembers of IPv4 clients whose address begins with this byte.
    pub fn flows_from(&self, network: u8) -> u32 {
        let clients = flows(&*self.world.kernel).map(|(_, flow)| to_ip(flow.key.client));
        let theirs =
            clients.filter(|client| matches!(client, IpAddr::V4(v4) if v4.octets()[0] == network));
        theirs.count() as u32
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
