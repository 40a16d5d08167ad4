//! Loading the object: over new maps, or over those that an earlier agent pinned.

use std::{path::Path, sync::Mutex};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader, Pod, include_bytes_aligned,
    maps::{MapData, PerCpuArray, ProgramArray},
    util::nr_cpus,
};
use aya_log::EbpfLogger;
use lb_common::{
    ABI_VERSION, Control, Map, Stage, cache,
    flow::WAYS,
    maps,
    memory::{Memory as _, read, write},
};
use rustix::{
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, clock_getres},
};

use super::{Kernel, Stages, program};
use crate::dataplane::{bpffs, frames::Frames, mapped::Mapped, pins};

/// The BPF objects of this build.
static OBJECT: &[u8] = include_bytes_aligned!(env!("LB_BPF_OBJECT"));
static JUMBO_OBJECT: &[u8] = include_bytes_aligned!(env!("LB_JUMBO_OBJECT"));

/// aya-log's level that keeps every line out, and the one that lets all in.
const LOG_NOTHING: u8 = 0;
const LOG_ALL: u8 = 5;

/// What the configuration says of the data path.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where maps and links are pinned.
    pub pin_dir: &'a Path,
    /// Frames that the programs must take.
    pub frames: Frames,
    /// Flows the flow table should hold; rounded up to a power of two.
    pub flows: u32,
    /// Whether rare packet events are logged.
    pub packet_log: bool,
    /// What the hash of flows is seeded with where the maps are new; none: a number that nobody outside can guess.
    pub seed: Option<u64>,
}

/// Whether there were maps already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No: everything is new.
    Nothing,
    /// Yes: an earlier agent's, with its flows.
    Maps,
}

/// Lines that the packet path wrote.
pub type PacketLog = EbpfLogger<&'static dyn log::Log>;

/// The loaded object.
pub struct Loaded {
    /// Maps and programs.
    pub kernel: Kernel,
    /// Whether there were maps already.
    pub found: Found,
    /// The packet log, if it was asked for.
    pub packet_log: Option<PacketLog>,
}

impl Kernel {
    /// Loads the programs and opens or makes the maps. Nothing is attached or replaced yet.
    ///
    /// # Errors
    /// Where pinned maps are of another layout (they are left as they are), or the kernel refuses.
    pub fn load(options: Options<'_>) -> Result<Loaded> {
        bpffs::ensure(options.pin_dir)?;
        let pinned = pinned_flow_buckets(options.pin_dir)?;
        let wanted = flow_buckets(options.flows);
        let buckets = pinned.unwrap_or(wanted);
        if buckets != wanted {
            tracing::warn!(
                "the pinned flow table holds {} flows, not {}: `flows` takes effect after `lb detach`",
                buckets * WAYS,
                wanted * WAYS
            );
        }

        let mut ebpf = open(options, buckets)?;
        // Before any map is taken out and closed: the programs name maps by their descriptors.
        for (stage, dry_run) in programs() {
            let name = stage.program(dry_run);
            program(&mut ebpf, name)?.load().with_context(|| {
                format!("the kernel refuses program {name}: this needs Linux 6.1 or newer and root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)")
            })?;
        }
        let stages = stages(&mut ebpf, options.frames)?;
        let mut mapped = Vec::new();
        for map in Map::ALL {
            let words = map.entries(buckets) as usize * map.value_bytes() / 8;
            let data = take(&mut ebpf, map.name())?;
            let data = match data {
                aya::maps::Map::Array(data) => data,
                _ => bail!("map {} is no array", map.name()),
            };
            mapped.push(Mapped::new(&data, words).with_context(|| map.name())?);
        }
        let counters = per_cpu(&mut ebpf, maps::COUNTERS)?;
        let backend_counters = per_cpu(&mut ebpf, maps::BACKEND_COUNTERS)?;
        let events = per_cpu(&mut ebpf, maps::EVENTS)?;
        let packet_log = if options.packet_log {
            Some(EbpfLogger::init(&mut ebpf).context("cannot open the packet log")?)
        } else {
            None
        };
        let kernel = Self {
            maps: mapped,
            counters: Mutex::new(counters),
            backend_counters: Mutex::new(backend_counters),
            events: Mutex::new(events),
            ebpf: Mutex::new(ebpf),
            frames: options.frames,
            stages,
            cpus: possible_cpus()?,
        };
        let found = if pinned.is_some() {
            Found::Maps
        } else {
            kernel.initialise(buckets, options.seed)?;
            Found::Nothing
        };
        Ok(Loaded {
            kernel,
            found,
            packet_log,
        })
    }

    fn initialise(&self, buckets: u32, seed: Option<u64>) -> Result<()> {
        let hz = ticks_per_second()?;
        let control = Control {
            abi_version: ABI_VERSION,
            flow_seed: match seed {
                Some(seed) => seed,
                None => secret()?,
            },
            reply_ports: NO_PORTS,
            flow_mask: buckets - 1,
            seen_step: hz - (1 << cache::shift(hz)),
            hz,
            turn: cache::shift(hz),
            ..Control::default()
        };
        write(self.words(Map::Control), 0, &control);
        Ok(())
    }
}

/// No port is between the two.
const NO_PORTS: [u16; 2] = [1, 0];

/// Every program of the object.
fn programs() -> impl Iterator<Item = (Stage, bool)> {
    let both = |stage: &Stage| [(*stage, false), (*stage, true)];
    Stage::ALL.iter().flat_map(both)
}

/// Puts every stage's program where the others find it. An earlier agent's programs, which may be running, find the new
/// ones from now on: a build whose stages do not fit together has another layout number.
fn stages(ebpf: &mut Ebpf, frames: Frames) -> Result<Stages> {
    let map = take(ebpf, frames.stages())?;
    let id = match &map {
        aya::maps::Map::ProgramArray(data) => data.info()?.id(),
        _ => bail!("map {} holds no programs", frames.stages()),
    };
    let mut stages: ProgramArray<MapData> = map
        .try_into()
        .context("the map of stages is not as this build expects")?;
    for (stage, dry_run) in programs() {
        let fd = program(ebpf, stage.program(dry_run))?.fd()?.try_clone()?;
        let index = stage as u32 + if dry_run { Stage::COUNT } else { 0 };
        stages
            .set(index, &fd, 0)
            .with_context(|| format!("cannot place {}", stage.program(dry_run)))?;
    }
    Ok(Stages { id, _map: stages })
}

/// A number that nobody outside can guess.
fn secret() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty()).context("the kernel gives no random bytes")?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Ticks (jiffies) per second: the resolution of the coarse clock is one tick.
fn ticks_per_second() -> Result<u32> {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    let tick_ns = u64::try_from(tick.tv_nsec).unwrap_or(0);
    if tick.tv_sec != 0 || tick_ns == 0 {
        bail!("the kernel's coarse clock has no usable resolution");
    }
    Ok(u32::try_from((1_000_000_000 + tick_ns / 2) / tick_ns)?)
}

fn flow_buckets(flows: u32) -> u32 {
    flows.div_ceil(WAYS).next_power_of_two()
}

/// Size of the flow table that is pinned, if its maps are of this build's layout.
fn pinned_flow_buckets(dir: &Path) -> Result<Option<u32>> {
    if !dir.join(Map::Control.name()).exists() {
        return Ok(None);
    }
    let map = MapData::from_pin(dir.join(Map::Control.name()))
        .with_context(|| format!("cannot open the pinned maps in {}", dir.display()))?;
    let control = Mapped::new(&map, size_of::<Control>() / 8)
        .ok()
        .and_then(|mapped| read::<Control>(mapped.words(), 0));
    let found = control.map_or(u32::MAX, |control| control.abi_version);
    if found == 0 {
        // An agent died between making the maps and numbering them: nothing uses them.
        return Ok(None);
    }
    if found != ABI_VERSION {
        bail!(
            "the maps pinned in {} have layout {found}, this build needs layout {ABI_VERSION}; they were left as they are and the old program goes on forwarding. Start the older build again, or run `lb detach` (which ends its flows) and start this one",
            dir.display()
        );
    }
    let tags = MapData::from_pin(dir.join(Map::FlowTags.name()))?
        .info()?
        .max_entries();
    Ok(Some(tags))
}

fn open(options: Options<'_>, buckets: u32) -> Result<Ebpf> {
    let level = if options.packet_log {
        LOG_ALL
    } else {
        LOG_NOTHING
    };
    let mut loader = EbpfLoader::new();
    loader.override_global("AYA_LOG_LEVEL", &level, true);
    for map in Map::ALL {
        loader.map_max_entries(map.name(), map.entries(buckets));
    }
    let cpus = u32::try_from(possible_cpus()?)?;
    loader.map_max_entries(maps::CACHE, cpus * cache::LINES);
    for name in pins::maps() {
        loader.map_pin_path(name, options.pin_dir.join(name));
    }
    let object = match options.frames {
        Frames::Page => OBJECT,
        Frames::Jumbo => JUMBO_OBJECT,
    };
    loader.load(object).with_context(|| {
        format!(
            "cannot load the BPF object with maps in {}: this needs root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON) and a kernel with BPF",
            options.pin_dir.display()
        )
    })
}

/// CPUs that the kernel may ever number.
fn possible_cpus() -> Result<usize> {
    nr_cpus().map_err(|(path, error)| anyhow::anyhow!("{path}: {error}"))
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    ebpf.take_map(name)
        .with_context(|| format!("the object has no map {name}"))
}

fn per_cpu<T: Pod>(ebpf: &mut Ebpf, name: &str) -> Result<PerCpuArray<MapData, T>> {
    take(ebpf, name)?
        .try_into()
        .with_context(|| format!("map {name} is not as this build expects"))
}
