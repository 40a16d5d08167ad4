//! The program that a backend runs to take packets out of lb's tunnels: loading, attaching, counting, removing.
//!
//! It needs no agent: pins keep program and counters when the command has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, Map, MapData, PerCpuArray},
    programs::{
        Xdp,
        links::{FdLink, PinnedLink},
        xdp::{XdpLink, XdpMode},
    },
};
use ipnet::IpNet;
use lb_common::{
    counters::PacketsBytes,
    decap::{COUNTERS, MAX_SOURCES, PROGRAM, Prefix, Reason, SETTINGS, Settings, WORDS},
};
use rustix::{io::Errno, process::geteuid};
use serde::Serialize;

use crate::{
    api::model::Count,
    dataplane::{bpffs, kernel::ifindex, pins},
    lock::Lock,
};

/// The BPF object of this build.
static OBJECT: &[u8] = include_bytes_aligned!(env!("LB_DECAP_OBJECT"));

/// What is to be taken out of tunnels, and where.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Where program and maps are pinned.
    pub pin_dir: &'a Path,
    /// Names of the interfaces that tunnel packets come by.
    pub interfaces: &'a BTreeSet<String>,
    /// UDP port of generic UDP encapsulation.
    pub port: u16,
    /// Outer source addresses that may send; none for everybody.
    pub sources: &'a [IpNet],
}

/// How the program came to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Into the driver.
    Native,
    /// Behind the driver, after the kernel has made an skb; why not into it.
    Generic(String),
    /// In the place of the one an earlier command put there, between two packets.
    Replaced,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native XDP"),
            Self::Generic(why) => {
                write!(f, "generic XDP, several times slower than native: {why}")
            }
            Self::Replaced => f.write_str("in the place of the program of an earlier `lb decap`"),
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Interfaces that have the program now.
    pub placed: Vec<(String, Placed)>,
    /// What was removed: interfaces of an earlier command that this one does not name.
    pub removed: Vec<String>,
}

/// What is pinned.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Interfaces that have the program.
    pub interfaces: Vec<String>,
    /// UDP port of generic UDP encapsulation.
    pub gue_port: u16,
    /// Outer source addresses that may send; none for everybody.
    pub from: Vec<String>,
    /// What was counted, by the reason's label.
    pub counts: BTreeMap<&'static str, Count>,
}

/// Puts the program on the interfaces wanted and on no others, with new settings. Counters go on.
///
/// # Errors
/// Without root, where an interface does not exist or has another XDP program, or the kernel refuses. Interfaces that had no program
/// before the call then have none.
pub fn start(wanted: &Wanted<'_>) -> Result<Started> {
    if wanted.sources.len() > MAX_SOURCES {
        bail!(
            "at most {MAX_SOURCES} prefixes can be let in, not {}: choose shorter ones",
            wanted.sources.len()
        );
    }
    let user = geteuid();
    if !user.is_root() {
        bail!("this needs root");
    }
    for name in wanted.interfaces {
        if name.contains('.') {
            // bpf_lookup in kernel/bpf/inode.c.
            bail!(
                "{name}: bpffs takes no names with dots; for a VLAN name the interface below it, whose tags are looked through"
            );
        }
        ifindex(name)?;
    }
    let dir = wanted.pin_dir;
    bpffs::ensure(dir)?;
    // Everybody may make directories on bpffs, and whoever owns one may take its pins away.
    let owner = fs::metadata(dir)?.uid();
    if owner != user.as_raw() {
        bail!(
            "{} belongs to user {owner}: remove it, or name another with --pin-dir",
            dir.display()
        );
    }
    let _lock = Lock::pins(dir)?;
    let started = load(wanted).and_then(|mut ebpf| {
        let placed = place(&mut ebpf, wanted)?;
        repin(&mut ebpf, dir)?;
        Ok(placed)
    });
    let placed = match started {
        Ok(placed) => placed,
        Err(error) => {
            if pins::links(dir)?.is_empty() {
                remove_all(dir)?;
            }
            return Err(error);
        }
    };
    let removed = pins::links(dir)?
        .iter()
        .filter(|name| !wanted.interfaces.contains(*name))
        .map(|name| pins::remove_link(dir, name))
        .collect::<Result<_>>()?;
    Ok(Started { placed, removed })
}

/// Removes everything and says what.
///
/// # Errors
/// At the first pin that cannot be removed.
pub fn stop(dir: &Path) -> Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let _lock = Lock::pins(dir)?;
    remove_all(dir)
}

/// What is pinned in `dir`; `None` where nothing is.
///
/// # Errors
/// Where a map cannot be read.
pub fn status(dir: &Path) -> Result<Option<Status>> {
    let interfaces = pins::links(dir)?;
    if interfaces.is_empty() {
        return Ok(None);
    }
    let settings: Array<_, [u64; WORDS]> = pinned(dir, SETTINGS)?.try_into()?;
    let settings = Settings::from_words(settings.get(&0, 0)?);
    let counters: PerCpuArray<_, PacketsBytes> = pinned(dir, COUNTERS)?.try_into()?;
    let mut counts = BTreeMap::new();
    for reason in Reason::ALL {
        let mut sum = Count::default();
        for [packets, bytes] in counters.get(&(*reason as u32), 0)?.iter() {
            sum.packets += packets;
            sum.bytes += bytes;
        }
        counts.insert(reason.label(), sum);
    }
    Ok(Some(Status {
        interfaces,
        gue_port: u16::from_be(settings.port),
        from: settings
            .prefixes()
            .map(|(address, length)| format!("{address}/{length}"))
            .collect(),
        counts,
    }))
}

/// The object with its settings, and with the counters that are pinned or newly pinned.
fn load(wanted: &Wanted<'_>) -> Result<Ebpf> {
    const NEEDS: &str = "this needs Linux 6.1 or newer and root (CAP_BPF, CAP_NET_ADMIN)";
    let mut ebpf = EbpfLoader::new()
        .map_pin_path(COUNTERS, wanted.pin_dir.join(COUNTERS))
        .load(OBJECT)
        .with_context(|| format!("cannot load the BPF object: {NEEDS}"))?;
    let prefixes: Vec<Prefix> = wanted
        .sources
        .iter()
        .map(|source| Prefix::new(source.addr(), source.prefix_len()))
        .collect();
    let map = ebpf
        .map_mut(SETTINGS)
        .context("the object has no settings")?;
    let mut settings: Array<_, [u64; WORDS]> = map.try_into()?;
    settings.set(0, Settings::new(wanted.port, &prefixes).to_words(), 0)?;
    program(&mut ebpf)?
        .load()
        .with_context(|| format!("the kernel refuses program {PROGRAM}: {NEEDS}"))?;
    Ok(ebpf)
}

/// First where there was none, so that what fails leaves things as they were.
fn place(ebpf: &mut Ebpf, wanted: &Wanted<'_>) -> Result<Vec<(String, Placed)>> {
    let dir = wanted.pin_dir;
    let (old, new): (Vec<_>, Vec<_>) = wanted
        .interfaces
        .iter()
        .partition(|name| pins::link(dir, name).exists());
    let mut placed = Vec::new();
    for name in new {
        match attach(ebpf, dir, name) {
            Ok(how) => placed.push((name.clone(), how)),
            Err(error) => {
                for (name, _) in &placed {
                    pins::remove_link(dir, name)?;
                }
                return Err(error);
            }
        }
    }
    for name in old {
        let how = match replace(ebpf, dir, name) {
            Ok(()) => Placed::Replaced,
            // The link outlived its interface: one of the same name has come since.
            Err(_) => {
                fs::remove_file(pins::link(dir, name))?;
                attach(ebpf, dir, name)?
            }
        };
        placed.push((name.clone(), how));
    }
    Ok(placed)
}

fn replace(ebpf: &mut Ebpf, dir: &Path, name: &str) -> Result<()> {
    let pinned = PinnedLink::from_pin(pins::link(dir, name))?;
    let link = XdpLink::try_from(FdLink::from(pinned))?;
    let program = program(ebpf)?;
    let id = program.attach_to_link(link)?;
    // The pin alone holds the link.
    drop(program.take_link(id)?);
    Ok(())
}

fn attach(ebpf: &mut Ebpf, dir: &Path, name: &str) -> Result<Placed> {
    let (link, placed) = match attach_as(ebpf, name, XdpMode::Driver) {
        Ok(link) => (link, Placed::Native),
        Err(error) if is_busy(&error) => {
            return Err(error.context(format!(
                "another XDP program is on {name}: `ip link show {name}` names it; remove it with the tool that put it there"
            )));
        }
        Err(native) => {
            let link = attach_as(ebpf, name, XdpMode::Skb)
                .with_context(|| format!("{name} can do neither native nor generic XDP"))?;
            (link, Placed::Generic(format!("{native:#}")))
        }
    };
    let pin = pins::link(dir, name);
    link.pin(&pin)
        .with_context(|| format!("cannot pin {}", pin.display()))?;
    Ok(placed)
}

fn attach_as(ebpf: &mut Ebpf, name: &str, mode: XdpMode) -> Result<FdLink> {
    let program = program(ebpf)?;
    let id = program.attach_to_if_index(ifindex(name)?, mode)?;
    let link = program.take_link(id)?;
    FdLink::try_from(link)
        .map_err(|_| anyhow!("the kernel gives no BPF link for XDP: it must be 5.9 or newer"))
}

/// Pins the new settings in the place of the old ones, which only the old program reads.
fn repin(ebpf: &mut Ebpf, dir: &Path) -> Result<()> {
    let pin = dir.join(SETTINGS);
    remove_file(&pin)?;
    ebpf.map(SETTINGS)
        .context("the object has no settings")?
        .pin(&pin)
        .with_context(|| format!("cannot pin {}", pin.display()))
}

fn remove_all(dir: &Path) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for name in pins::links(dir)? {
        removed.push(pins::remove_link(dir, &name)?);
    }
    for name in [SETTINGS, COUNTERS] {
        let pin = dir.join(name);
        if remove_file(&pin)? {
            removed.push(format!("map {name} (pin {})", pin.display()));
        }
    }
    fs::remove_dir(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    removed.push(format!("directory {}", dir.display()));
    Ok(removed)
}

/// Whether there was one.
fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

fn pinned(dir: &Path, name: &str) -> Result<Map> {
    let pin = dir.join(name);
    let data = MapData::from_pin(&pin).with_context(|| format!("cannot open {}", pin.display()))?;
    Ok(Map::from_map_data(data)?)
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    let program = ebpf.program_mut(PROGRAM);
    Ok(program.context("the object has no program")?.try_into()?)
}

fn is_busy(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .filter_map(Errno::from_io_error)
        .any(|errno| matches!(errno, Errno::BUSY | Errno::EXIST))
}
