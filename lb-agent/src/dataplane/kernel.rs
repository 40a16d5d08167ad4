//! The maps and programs in the kernel.

mod attach;
mod bond;
mod load;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, atomic::AtomicU64},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    maps::{MapData, PerCpuArray, PerCpuValues, ProgramArray},
    programs::{ProgramFd, Xdp},
};
use lb_common::{
    Event, Explained, Map, Reason, Stage,
    counters::{self, BackendCounts, PacketsBytes},
    memory::{Memory, read},
};
use rustix::{
    io::Errno,
    thread::{MembarrierCommand, membarrier},
};

pub use attach::{Attached, Mode, ifindex};
pub use load::{Found, Loaded, Options, PacketLog};

use super::{BackendCount, Dataplane, DryRun, frames::Frames, mapped::Mapped};
use crate::api::model::Count;

/// The loaded object, its maps in memory.
pub struct Kernel {
    maps: Vec<Mapped>,
    counters: Mutex<PerCpuArray<MapData, PacketsBytes>>,
    backend_counters: Mutex<PerCpuArray<MapData, BackendCounts>>,
    events: Mutex<PerCpuArray<MapData, u64>>,
    // One dry run at a time: its outcome lies in one map entry.
    ebpf: Mutex<Ebpf>,
    frames: Frames,
    stages: Stages,
    cpus: usize,
}

/// The map of programs by which the stages call each other.
struct Stages {
    id: u32,
    // Open as long as this process runs: the kernel empties a map of programs that nobody has open or pinned.
    _map: ProgramArray<MapData>,
}

/// Time in which every packet that is under way has left.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

impl Memory for Kernel {
    fn words(&self, map: Map) -> &[AtomicU64] {
        self.maps[map as usize].words()
    }
}

impl Dataplane for Kernel {
    /// `membarrier(MEMBARRIER_CMD_GLOBAL)` is `synchronize_rcu()` (kernel/sched/membarrier.c), and an XDP program
    /// runs inside an RCU read-side critical section. Where CPUs run without ticks (`nohz_full`) the kernel refuses
    /// it; then a wait that is thousands of times longer than the program's run must do.
    fn grace(&self) -> Result<()> {
        match membarrier(MembarrierCommand::Global) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS) => {
                thread::sleep(LONG_ENOUGH);
                Ok(())
            }
            Err(error) => Err(error).context("membarrier: cannot wait for packets under way"),
        }
    }

    fn counts(&self, service: u32) -> Result<BTreeMap<Reason, Count>> {
        let mut counts = BTreeMap::new();
        let counters = lock(&self.counters)?;
        for reason in Reason::ALL {
            let values = counters.get(&counters::index(service, *reason), 0)?;
            let count = values
                .iter()
                .fold(Count::default(), |sum, [packets, bytes]| Count {
                    packets: sum.packets + packets,
                    bytes: sum.bytes + bytes,
                });
            if count.packets > 0 {
                counts.insert(*reason, count);
            }
        }
        Ok(counts)
    }

    fn backend_count(&self, backend: u16) -> Result<BackendCount> {
        let values = lock(&self.backend_counters)?.get(&u32::from(backend), 0)?;
        Ok(values
            .iter()
            .fold(BackendCount::default(), |sum, [packets, bytes, new, _]| {
                BackendCount {
                    forwarded: Count {
                        packets: sum.forwarded.packets + packets,
                        bytes: sum.forwarded.bytes + bytes,
                    },
                    new_flows: sum.new_flows + new,
                }
            }))
    }

    fn events(&self) -> Result<BTreeMap<Event, u64>> {
        let events = lock(&self.events)?;
        Event::ALL
            .iter()
            .map(|event| Ok((*event, events.get(&(*event as u32), 0)?.iter().sum())))
            .collect()
    }

    fn forget_service(&self, service: u32) -> Result<()> {
        for reason in Reason::ALL {
            let zeros = PerCpuValues::try_from(vec![[0, 0]; self.cpus])?;
            lock(&self.counters)?.set(counters::index(service, *reason), zeros, 0)?;
        }
        Ok(())
    }

    fn forget_backend(&self, backend: u16) -> Result<()> {
        let zeros = PerCpuValues::try_from(vec![[0; 4]; self.cpus])?;
        lock(&self.backend_counters)?.set(u32::from(backend), zeros, 0)?;
        Ok(())
    }

    fn dry_run(&self, frame: &[u8]) -> Result<DryRun> {
        let mut ebpf = lock(&self.ebpf)?;
        let (action, _) = run(&mut ebpf, Stage::Road.program(true), frame)?;
        let explained: Explained = read(self.words(Map::Explained), 0).context("no dry run map")?;
        Ok(DryRun { action, explained })
    }
}

impl Kernel {
    /// Takes one frame through the program that forwards, as if it had come by interface 1
    /// (`BPF_PROG_TEST_RUN`): the XDP action and the frame as it would leave.
    ///
    /// # Errors
    /// Where the kernel refuses: the frame has fewer than 14 bytes.
    pub fn forward(&self, frame: &[u8]) -> Result<(u32, Vec<u8>)> {
        run(&mut *lock(&self.ebpf)?, Stage::Road.program(false), frame)
    }

    /// The program that forwards, to be called from another one.
    ///
    /// # Errors
    /// Where no more file descriptors are to be had.
    pub fn program_fd(&self) -> Result<ProgramFd> {
        let mut ebpf = lock(&self.ebpf)?;
        Ok(program(&mut ebpf, Stage::Road.program(false))?
            .fd()?
            .try_clone()?)
    }
}

fn run(ebpf: &mut Ebpf, name: &str, frame: &[u8]) -> Result<(u32, Vec<u8>)> {
    // A tunnel's header and two VLAN tags may come in front.
    let mut out = vec![0; frame.len() + 128];
    let result = program(ebpf, name)?.test_run(TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ..TestRunOptions::default()
    })?;
    out.truncate(result.data_size_out as usize);
    Ok((result.return_value, out))
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    ebpf.program_mut(name)
        .with_context(|| format!("the object has no program {name}"))?
        .try_into()
        .with_context(|| format!("{name} is no XDP program"))
}

fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    mutex
        .lock()
        .map_err(|_| anyhow!("a thread that held the maps has panicked; restart the agent"))
}
