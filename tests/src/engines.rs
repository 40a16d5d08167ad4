//! The packet path twice: on the host and in the kernel, over the same tables. What one does, the other must do.

mod quick;
mod report;
mod world;

pub use quick::Became;
pub use report::{Changes, Counted};
pub use world::{OWN, OWN6, World, test_config};

use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail};
use lb_common::{
    Explained, Flow, FlowTag, Map, Reason,
    memory::{Memory, read, write},
};
use lb_ebpf::{
    testing::{HostPacket, HostTables},
    verdict::Verdict,
};

use lb_agent::{dataplane::Dataplane as _, observed::flows};

/// Interface that `BPF_PROG_TEST_RUN` says a frame came by: loopback.
pub const INGRESS: u32 = 1;

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Number of the backend it went to.
    pub backend: Option<u16>,
    /// The frame as it left.
    pub frame: Vec<u8>,
    /// What was counted.
    pub counted: Counted,
}

impl World {
    /// Takes a frame through both engines.
    ///
    /// # Errors
    /// Where they disagree in anything: verdict, bytes, counters, flows, tickets.
    pub fn run(&self, frame: &[u8]) -> Result<Seen> {
        let seen = self.run_host(frame)?;
        let before = Counted::of(&self.kernel)?;
        let (action, out) = self.kernel.forward(frame)?;
        let counted = Counted::of(&self.kernel)?.since(&before);
        // XDP actions of linux/bpf.h.
        let expected = match seen.verdict {
            Verdict::Drop => 1,
            Verdict::Pass => 2,
            Verdict::Tx => 3,
            Verdict::Redirect(_) => 4,
        };
        if action != expected {
            bail!(
                "host: {:?} {:?}, kernel: XDP action {action}\n{frame:02x?}",
                seen.verdict,
                seen.reason
            );
        }
        if out != seen.frame {
            bail!(
                "{:?}: the frames differ\nhost   {:02x?}\nkernel {out:02x?}",
                seen.reason,
                seen.frame
            );
        }
        if counted != seen.counted {
            bail!(
                "{:?}: the counters differ\nhost   {:?}\nkernel {counted:?}",
                seen.reason,
                seen.counted
            );
        }
        self.compare_tables()?;
        Ok(seen)
    }

    /// Takes a frame through a dry run of the kernel's program.
    ///
    /// # Errors
    /// Where the kernel refuses, or the dry run changed anything.
    pub fn dry_run(&self, frame: &[u8]) -> Result<Explained> {
        let before = Counted::of(&self.kernel)?;
        let explained = self.kernel.dry_run(frame)?.explained;
        let counted = Counted::of(&self.kernel)?.since(&before);
        if counted != Counted::default() {
            bail!("a dry run counted {counted:?}");
        }
        self.compare_tables().context("a dry run changed a table")?;
        Ok(explained)
    }

    fn run_host(&self, frame: &[u8]) -> Result<Seen> {
        self.host.now.set(self.kernel.now()?);
        let before = Counted::of_host(&self.host);
        let mut packet = HostPacket {
            bytes: frame.to_vec(),
            ingress: INGRESS,
        };
        let outcome = self.host.run(&mut packet);
        Ok(Seen {
            verdict: outcome.verdict,
            reason: outcome.reason,
            backend: outcome.backend,
            frame: packet.bytes,
            counted: Counted::of_host(&self.host).since(&before),
        })
    }

    fn compare_tables(&self) -> Result<()> {
        let (host, kernel) = (flow_list(&self.host), flow_list_of(&*self.kernel));
        if host != kernel {
            bail!("the flow tables differ\nhost   {host:#?}\nkernel {kernel:#?}");
        }
        let used = usize::from(world::BACKENDS) * 8;
        for map in [
            Map::Cursors,
            Map::Services,
            Map::Backends,
            Map::Control,
            Map::Loads,
        ] {
            let words = |memory: &dyn Memory| -> Vec<u64> {
                memory
                    .words(map)
                    .iter()
                    .take(used)
                    .map(|word| word.load(Ordering::Relaxed))
                    .collect()
            };
            let (host, kernel) = (words(&self.host.memory), words(&*self.kernel));
            if host != kernel {
                bail!("{map:?} differs\nhost   {host:x?}\nkernel {kernel:x?}");
            }
        }
        Ok(())
    }

    /// Changes an entry of a map in both engines.
    pub fn change<T>(&self, map: Map, index: u32, change: impl FnOnce(&mut T))
    where
        T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable,
    {
        let mut value: T = read(self.kernel.words(map), index)
            .unwrap_or_else(|| panic!("{map:?} has no entry {index}"));
        change(&mut value);
        write(self.kernel.words(map), index, &value);
        write(self.host.memory.words(map), index, &value);
        if map == Map::Flows {
            self.begin_epochs();
        }
    }

    /// Lets neither engine believe what it has at hand.
    pub fn begin_epochs(&self) {
        for memory in [&*self.kernel as &dyn Memory, &self.host.memory] {
            for epoch in memory.words(Map::Epochs) {
                epoch.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lets every flow look `ticks` older, in both engines: the kernel's clock cannot be moved.
    pub fn age_flows(&self, ticks: u32) {
        for index in 0..Map::Flows.entries(self.buckets) {
            let flow: Flow = read(self.kernel.words(Map::Flows), index).unwrap_or_default();
            if flow.key.protocol != 0 {
                self.change::<Flow>(Map::Flows, index, |flow| {
                    flow.seen = flow.seen.wrapping_sub(ticks)
                });
            }
        }
    }
}

/// A flow as both engines must have it. Ticks are left out: the engines run one after the other.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    index: u32,
    tag: u64,
    client: ([u64; 2], [u64; 2], u32, u32),
    state: u8,
    kind: u8,
    ends: (u16, u16, u32),
    isn: u32,
    service: u16,
}

fn flow_list(host: &HostTables) -> Vec<Entry> {
    flow_list_of(&host.memory)
}

fn flow_list_of(memory: &dyn Memory) -> Vec<Entry> {
    (0_u32..)
        .zip(memory.words(Map::FlowTags))
        .filter_map(|(index, word)| {
            let tag = FlowTag(word.load(Ordering::Relaxed));
            let flow: Flow =
                read(memory.words(Map::Flows), index).filter(|_| tag != FlowTag::FREE)?;
            let key = flow.key;
            Some(Entry {
                index,
                tag: tag.0,
                client: (key.client, key.vip, key.ports, key.protocol),
                state: flow.state,
                kind: flow.kind,
                ends: (flow.source, flow.port, flow.twin),
                isn: flow.isn,
                service: flow.service,
            })
        })
        .collect()
}

/// Number of flows in the kernel's table, over or not.
pub fn flow_count(world: &World) -> usize {
    flows(&*world.kernel).count()
}
