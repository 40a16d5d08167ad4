//! The measuring stand: an outer program that writes a fresh frame and calls the program under test.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions,
    maps::{Array, MapData, ProgramArray},
    programs::Xdp,
};
use lb_agent::{config::Config, dataplane::Dataplane as _};
use lb_tests::engines::World;

use super::cases::{Case, Program};

/// Two worlds: one whose table holds all flows, one whose table is always full.
pub struct Stand {
    roomy: World,
    full: World,
    outer: Ebpf,
    programs: ProgramArray<MapData>,
    template: Array<MapData, [u8; 64]>,
    settings: Array<MapData, [u32; 4]>,
}

/// Flows of the roomy table.
const ROOM: u32 = 1_048_576;
/// Flows of the full table.
const TIGHT: u32 = 65_536;
/// Service that has a flow table entry for nobody, and one that everybody uses.
const CONFIG: &str = r#"
    [[interface]]
    name = "lo"
    [[service]]
    name = "web"
    listen = ["192.0.2.10:80/tcp", "192.0.2.11:80/tcp"]
    [[service.backend]]
    name = "web-1"
    address = "10.0.1.11"
    weight = 100
    [[service.backend]]
    name = "web-2"
    address = "10.0.1.13"
    weight = 50
    [[service]]
    name = "unknown"
    listen = ["192.0.2.20:80/tcp"]
    [[service.backend]]
    name = "unknown-1"
    address = "10.0.1.11"
    [[service]]
    name = "nat"
    listen = ["192.0.2.30:80/tcp"]
    forward = "nat"
    nat_source = ["10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4"]
    [[service.backend]]
    name = "nat-1"
    address = "10.0.1.11:8080"
    [[service.backend]]
    name = "nat-2"
    address = "10.0.1.13:8080"
    [[service]]
    name = "ipip"
    listen = ["192.0.2.40:80/tcp", "192.0.2.41:80/tcp"]
    forward = "ipip"
    [[service.backend]]
    name = "ipip-1"
    address = "10.0.1.11"
    [[service.backend]]
    name = "ipip-2"
    address = "10.0.1.13"
    [[service]]
    name = "gue"
    listen = ["192.0.2.50:80/tcp"]
    forward = "gue"
    [[service.backend]]
    name = "gue-1"
    address = "10.0.1.11"
    [[service.backend]]
    name = "gue-2"
    address = "10.0.1.13"
    [[service]]
    name = "maglev"
    listen = ["192.0.2.60:80/tcp"]
    scheduler = "maglev"
    [[service.backend]]
    name = "maglev-1"
    address = "10.0.1.11"
    [[service.backend]]
    name = "maglev-2"
    address = "10.0.1.13"
"#;

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
        let template = Array::try_from(take("BENCH_HEADER")?)?;
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

    /// Opens the flows of a case.
    pub fn prepare(&mut self, case: &Case) -> Result<()> {
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
        let mut template = [0; 64];
        template[..frame.len()].copy_from_slice(frame);
        self.template.set(0, template, 0)?;
        self.settings.set(
            0,
            [
                case.flows - 1,
                u32::from(case.renumber),
                u32::try_from(frame.len())?,
                0,
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
