//! The measuring stand: an outer program that writes a fresh frame and calls the program under test.

use std::{env, fs, path::PathBuf, sync::Barrier, thread};

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions,
    maps::{Array, Map, MapData, PerCpuArray, PerCpuValues, ProgramArray},
    programs::{ProgramFd, Xdp},
};
use lb_agent::dataplane::pins;
use lb_tests::cpu;

use super::cases::{FRAME, Shape};

/// The outer program and its settings.
pub struct Stand {
    outer: Ebpf,
    programs: ProgramArray<MapData>,
    template: Array<MapData, [u64; FRAME / 8]>,
    settings: Array<MapData, [u32; 8]>,
    rounds: PerCpuArray<MapData, [u32; 2]>,
}

/// What the packets of a run are.
#[derive(Clone, Copy)]
pub struct Packets<'a> {
    /// What each is made from.
    pub frame: &'a [u8],
    /// What that looks like.
    pub shape: Shape,
    /// Whether the program under test changes its length at its end.
    pub grows_behind: bool,
    /// Flows of each CPU, a power of two; the client's address and port are numbered by them.
    pub flows: u32,
    /// Whether they are; else all are as the frame.
    pub is_numbered: bool,
    /// Services that the flows are spread over, whose addresses follow that of the frame.
    pub services: u32,
    /// Whether the sequence number differs from packet to packet.
    pub renumber: bool,
    /// CPUs that work at once.
    pub cpus: u32,
}

/// What a run gave.
pub struct Ran {
    /// Nanoseconds per packet; of several CPUs together.
    pub ns: f64,
    /// The XDP action of the last packet of each CPU.
    pub actions: Vec<u32>,
}

/// Where in the sequence of flows each CPU is.
pub struct Bookmark(PerCpuValues<[u32; 2]>);

impl Stand {
    /// Loads the outer program, and the empty ones.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn new() -> Result<Self> {
        let mut loader = EbpfLoader::new();
        // The object's lb maps are nobody's here.
        for map in pins::maps() {
            loader.map_max_entries(map, 1);
        }
        let mut outer = loader.load(&object()?)?;
        for name in ["lb_bench_stand", "lb_bench_null", "lb_bench_room"] {
            xdp_mut(&mut outer, name)?.load()?;
        }
        Ok(Self {
            programs: take(&mut outer, "BENCH_PROGRAMS")?.try_into()?,
            template: take(&mut outer, "BENCH_FRAME")?.try_into()?,
            settings: take(&mut outer, "BENCH_SETTINGS")?.try_into()?,
            rounds: take(&mut outer, "BENCH_ROUND")?.try_into()?,
            outer,
        })
    }

    /// A program of the stand's own.
    ///
    /// # Errors
    /// Where there is no such one.
    pub fn own(&self, name: &str) -> Result<ProgramFd> {
        Ok(xdp(&self.outer, name)?.fd()?.try_clone()?)
    }

    /// Takes so many packets on each CPU through `program`.
    ///
    /// # Errors
    /// Where the program could not be called.
    pub fn run(&mut self, program: &ProgramFd, packets: &Packets<'_>, repeat: u32) -> Result<Ran> {
        self.programs.set(0, program, 0)?;
        self.arrange(packets)?;
        let stand = xdp(&self.outer, "lb_bench_stand")?;
        let each = if packets.cpus == 1 {
            vec![one(stand, packets.frame, repeat)?]
        } else {
            at_once(stand, packets, repeat)?
        };
        Ok(Ran {
            ns: together(each.iter().map(|(ns, _)| *ns)),
            actions: each.iter().map(|(_, action)| *action).collect(),
        })
    }

    /// Where the sequence of flows is now.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn bookmark(&self) -> Result<Bookmark> {
        Ok(Bookmark(self.rounds.get(&0, 0)?))
    }

    /// Goes back there: the same flows come again.
    ///
    /// # Errors
    /// Where the map cannot be written.
    pub fn go_back(&mut self, to: Bookmark) -> Result<()> {
        Ok(self.rounds.set(0, to.0, 0)?)
    }

    fn arrange(&mut self, packets: &Packets<'_>) -> Result<()> {
        let frame = packets.frame;
        ensure!(frame.len() == FRAME, "a frame of {} bytes", frame.len());
        let mut template = [0; FRAME / 8];
        for (word, bytes) in template.iter_mut().zip(frame.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into()?);
        }
        self.template.set(0, template, 0)?;
        let shape = u32::from(packets.shape.is_v6)
            | u32::from(packets.shape.is_tagged) << 1
            | u32::from(packets.grows_behind) << 2;
        let [client, vip, port] = ends(frame, packets.shape)?;
        let settings = [
            packets.flows - 1,
            u32::from(packets.renumber),
            shape,
            u32::from(packets.is_numbered),
            packets.services,
            client,
            vip,
            port,
        ];
        self.settings.set(0, settings, 0)?;
        let rounds = self.rounds.get(&0, 0)?;
        let rounds = (0..)
            .zip(rounds.iter())
            .map(|(cpu, [round, _])| [*round, cpu * packets.flows])
            .collect::<Vec<_>>();
        self.rounds.set(0, PerCpuValues::try_from(rounds)?, 0)?;
        Ok(())
    }
}

/// The object with the programs that measure.
///
/// # Errors
/// Where it was not built.
pub fn object() -> Result<Vec<u8>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = env::var("LB_BENCH_OBJECT")
        .map_or_else(|_| here.join("../target/bpf/bench.bpf.o"), PathBuf::from);
    fs::read(&path).with_context(|| format!("{}: run `cargo xtask bench`", path.display()))
}

/// A program of an object.
///
/// # Errors
/// Where there is no such one.
pub fn xdp<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Xdp> {
    Ok(ebpf
        .program(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

/// The same, to be loaded.
///
/// # Errors
/// Where there is no such one.
pub fn xdp_mut<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf
        .program_mut(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

/// A map of an object.
///
/// # Errors
/// Where there is no such one.
pub fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map> {
    ebpf.take_map(name)
        .with_context(|| format!("no map {name}"))
}

/// Nanoseconds per packet of CPUs that work at once, each of which takes this long for one of its own.
pub fn together(each: impl Iterator<Item = f64>) -> f64 {
    1.0 / each.map(|ns| 1.0 / ns).sum::<f64>()
}

/// The last words of a frame's addresses, and its destination port.
fn ends(frame: &[u8], shape: Shape) -> Result<[u32; 3]> {
    let (client, vip) = if shape.is_v6 { (34, 50) } else { (26, 30) };
    let tag = if shape.is_tagged { 4 } else { 0 };
    let word =
        |at: usize| -> Result<u32> { Ok(u32::from_be_bytes(frame[at + tag..][..4].try_into()?)) };
    Ok([word(client)?, word(vip)?, word(vip + 4)? & 0xffff])
}

/// Nanoseconds per packet as the kernel measures them, in whole ones: from outside one would also measure how it waits
/// for the other CPU before and after. And the last action.
fn one(stand: &Xdp, frame: &[u8], repeat: u32) -> Result<(f64, u32)> {
    let result = stand.test_run(TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::default()
    })?;
    ensure!(
        result.return_value != 0,
        "the stand could not call the program under test"
    );
    Ok((result.duration.as_secs_f64() * 1e9, result.return_value))
}

fn at_once(stand: &Xdp, packets: &Packets<'_>, repeat: u32) -> Result<Vec<(f64, u32)>> {
    let start = Barrier::new(packets.cpus as usize);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..packets.cpus)
            .map(|cpu| {
                let start = &start;
                scope.spawn(move || {
                    let stays = cpu::stay_on(cpu as usize);
                    start.wait();
                    stays?;
                    one(stand, packets.frame, repeat)
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread
                .join()
                .map_err(|_| anyhow!("a measuring thread panicked"))?
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_alike_are_twice_as_fast_together() {
        assert!((together([50.0, 50.0].into_iter()) - 25.0).abs() < 1e-9);
        assert!((together([100.0, 25.0].into_iter()) - 20.0).abs() < 1e-9);
        assert!((together([50.0].into_iter()) - 50.0).abs() < 1e-9);
    }
}
