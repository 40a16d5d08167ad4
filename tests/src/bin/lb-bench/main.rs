//! Nanoseconds per packet, in one run, as ratios to the empty program.
//!
//! Every case runs in every round, so that what the machine does beside falls on all alike; the figure is the median
//! of the per-round differences to the empty program. The last verdict and the counters are checked: a wrong path
//! would be a wrong number.

mod cases;
mod report;
mod stand;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};

use cases::Case;
use report::Figure;
use stand::Stand;

/// Measures the packet path with BPF_PROG_TEST_RUN.
#[derive(Debug, Parser)]
#[command(
    name = "lb-bench",
    after_help = "Example: cargo xtask bench -- --rounds 31"
)]
struct Options {
    /// Rounds; every case runs once in each.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..1000))]
    rounds: u32,
    /// Packets per case and round.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..10_000_000))]
    packets: u32,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "this loads BPF programs and needs root: `cargo xtask bench`"
    );
    let mut one = CpuSet::new();
    one.set(0);
    sched_setaffinity(None, &one).context("cannot stay on one CPU")?;

    let mut stand = Stand::new()?;
    let mut cases = Case::all();
    for case in &mut cases {
        stand.prepare(case)?;
    }
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        if !options.json {
            eprint!("\rround {} of {}", round + 1, options.rounds);
        }
        let mut times = Vec::new();
        for case in &cases {
            times.push(stand.measure(case, options.packets)?);
        }
        rounds.push(times);
    }
    if !options.json {
        eprintln!();
    }
    let figures: Vec<Figure> = cases
        .iter()
        .enumerate()
        .map(|(at, case)| Figure::of(case.name, at, &rounds))
        .collect();
    report::print(&figures, options.json)
}
