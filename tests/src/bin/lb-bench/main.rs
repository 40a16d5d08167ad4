//! Nanoseconds per packet, in one run, as ratios to the classic design's.
//!
//! Every case runs in every round, so that what the machine does beside falls on all alike; the figure is the median
//! of the per-round differences to the empty program. The last verdict and the counters are checked: a wrong path
//! would be a wrong number.

mod bench;
mod cases;
mod figure;
mod layout;
mod reference;
mod report;
mod rig;
mod stand;
mod target;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;

use bench::Bench;
use figure::Rounds;

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
    /// Flows, services and backends of a case at most: a quick look, whose figures mean little.
    #[arg(long, default_value_t = u32::MAX, value_parser = clap::value_parser!(u32).range(2..))]
    most: u32,
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
    stand::stay_on(0)?;
    let mut cases = cases::all(options.most);
    let mut bench = Bench::new(&cases)?;
    for case in &mut cases {
        bench.prepare(case)?;
    }
    let mut rows = Vec::new();
    for round in 0..options.rounds {
        if !options.json {
            eprint!("\rround {} of {}", round + 1, options.rounds);
        }
        let mut row = Vec::new();
        for case in &cases {
            row.push(bench.measure(case, options.packets)?);
        }
        rows.push(row);
    }
    if !options.json {
        eprintln!();
    }
    let rounds = Rounds {
        cases: &cases,
        rows: &rows,
    };
    report::print(&rounds.figures(), options.json)
}
