//! The measuring stand: an outer program that writes a fresh frame and calls the program under test.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions,
    maps::{Array, MapData, ProgramArray},
    programs::Xdp,
};
use lb_agent::{config::Config, dataplane::Dataplane as _};
use lb_common::Reason;
use lb_tests::engines::World;

use super::cases::{Case, FRAME, Program, Sender};

/// Two worlds: one whose table holds all flows, one whose table is always full.
pub struct Stand {
    roomy: World,
    full: World,
    outer: Ebpf,
    programs: ProgramArray<MapData>,
    template: Array<MapData, [u64; FRAME / 8]>,
    settings: Array<MapData, [u32; 4]>,
}

/// Flows of the roomy table.
const ROOM: u32 = 1_048_576;
/// Flows of the full table.
const TIGHT: u32 = 65_536;
/// A service for each way of forwarding; `unknown` has no flow, and the second address of a service has one only.
const CONFIG: &str = include_str!("bench.toml");

impl Stand {
    /// Loads everything.
    pub fn new() -> Result<Self> {
        let config = Config::parse(CONFIG, "bench.toml")?;
        let path = object();
        let bytes = fs::read(&path)
            .with_context(|| format!("{}: run `cargo xtask bench`", path.display()))?;
        let mut outer = EbpfLoader::new().load(&bytes)?;
        for name in ["lb_bench_stand", "lb_bench_null", "lb_bench_room"] {
            xdp(&mut outer, name)?.load()?;
        }
        let mut take = |name: &str| {
            outer
                .take_map(name)
                .with_context(|| format!("no map {name}"))
        };
        let programs = ProgramArray::try_from(take("BENCH_PROGRAMS")?)?;
        let template = Array::try_from(take("BENCH_FRAME")?)?;
        let settings = Array::try_from(take("BENCH_SETTINGS")?)?;
        Ok(Self {
            roomy: World::new(&config, ROOM)?,
            full: World::new(&config, TIGHT)?,
            outer,
            programs,
            template,
            settings,
        })
    }

    /// Opens the flows of a case, and finds the frame that their answers have.
    pub fn prepare(&mut self, case: &mut Case) -> Result<()> {
        if let Some(opening) = &case.opening {
            self.arrange(case, opening)?;
            // The numbering visits every flow once in as many packets.
            self.run(opening, case.flows)?;
            // From here on the flows are open.
            self.arrange(case, &case.frame)?;
            self.run(&case.frame, case.flows)?;
        } else if case.flows > TIGHT {
            self.arrange(case, &case.frame)?;
            self.run(&case.frame, 4 * TIGHT)?;
        }
        if case.sender == Sender::Backend {
            let (_, sent) = self.world(case).kernel.forward(&case.frame)?;
            case.frame = answered(&sent, case.shape.is_v6);
        }
        Ok(())
    }

    /// Nanoseconds per packet of one round.
    pub fn measure(&mut self, case: &Case, packets: u32) -> Result<f64> {
        self.arrange(case, &case.frame)?;
        let before = self.counted(case)?;
        let ns = self.run(&case.frame, packets)?;
        let counted = self.counted(case)? - before;
        if let Some(reason) = case.reason {
            ensure!(
                counted == u64::from(packets),
                "{}: {counted} of {packets} packets were counted as {}",
                case.name,
                reason.label()
            );
        }
        Ok(ns)
    }

    fn world(&self, case: &Case) -> &World {
        if case.flows > TIGHT {
            &self.full
        } else {
            &self.roomy
        }
    }

    fn arrange(&mut self, case: &Case, frame: &[u8]) -> Result<()> {
        match case.program {
            Program::Empty => {
                let empty = xdp(&mut self.outer, "lb_bench_null")?.fd()?.try_clone()?;
                self.programs.set(0, &empty, 0)?;
            }
            Program::Room => {
                let room = xdp(&mut self.outer, "lb_bench_room")?.fd()?.try_clone()?;
                self.programs.set(0, &room, 0)?;
            }
            Program::Lb => {
                let program = self.world(case).kernel.program_fd()?;
                self.programs.set(0, &program, 0)?;
            }
        }
        ensure!(
            frame.len() == FRAME,
            "{}: a frame of {} bytes",
            case.name,
            frame.len()
        );
        let mut template = [0; FRAME / 8];
        for (word, bytes) in template.iter_mut().zip(frame.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into()?);
        }
        self.template.set(0, template, 0)?;
        let shape = u32::from(case.shape.is_v6)
            | u32::from(case.shape.is_tagged) << 1
            | u32::from(case.reason == Some(Reason::ResetNoFlow)) << 2;
        self.settings.set(
            0,
            [
                case.flows - 1,
                u32::from(case.renumber),
                shape,
                u32::from(case.sender == Sender::Client),
            ],
            0,
        )?;
        Ok(())
    }

    /// Nanoseconds per packet as the kernel measures them, in whole ones: from outside one would also measure how it
    /// waits for the other CPU before and after.
    fn run(&mut self, frame: &[u8], packets: u32) -> Result<f64> {
        let result = xdp(&mut self.outer, "lb_bench_stand")?.test_run(TestRunOptions {
            data_in: Some(frame),
            repeat: packets,
            ..TestRunOptions::default()
        })?;
        ensure!(
            result.return_value != 0,
            "the stand could not call the program under test"
        );
        Ok(result.duration.as_secs_f64() * 1e9)
    }

    fn counted(&self, case: &Case) -> Result<u64> {
        let Some(reason) = case.reason else {
            return Ok(0);
        };
        let world = self.world(case);
        let numbers = world.target.views.iter().map(|view| view.number);
        let mut sum = 0;
        for service in numbers.chain([0]) {
            sum += world
                .kernel
                .counts(service)?
                .get(&reason)
                .map_or(0, |count| count.packets);
        }
        Ok(sum)
    }
}

/// The frame the other way round: what is exchanged leaves every checksum as it is.
fn answered(sent: &[u8], is_v6: bool) -> Vec<u8> {
    let mut frame = sent.to_vec();
    let (source, len, ports) = if is_v6 { (22, 16, 54) } else { (26, 4, 34) };
    for (at, len) in [(0, 6), (source, len), (ports, 2)] {
        frame[at..at + 2 * len].rotate_left(len);
    }
    frame
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf
        .program_mut(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

fn object() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    env::var("LB_BENCH_OBJECT")
        .map_or_else(|_| here.join("../target/bpf/bench.bpf.o"), PathBuf::from)
}
