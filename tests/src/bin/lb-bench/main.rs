//! Nanoseconds per packet, in one run, as ratios to the classic design's.
//!
//! Every case runs in every round, so that what the machine does beside falls on all alike; the figure is the median
//! of the per-round differences to the empty program. The last verdict and the counters are checked: a wrong path
//! would be a wrong number.

mod baseline;
mod bench;
mod cases;
mod figure;
mod layout;
mod machine;
mod programs;
mod publish;
mod reference;
mod report;
mod rig;
mod stand;
mod target;

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail, ensure};
use clap::Parser;

use baseline::Baseline;
use bench::{Bench, Measured};
use cases::Case;
use figure::Rounds;
use machine::Machine;
use report::Report;

/// Measures the packet path with BPF_PROG_TEST_RUN.
#[derive(Debug, Parser)]
#[command(
    name = "lb-bench",
    after_help = "Examples: cargo xtask bench -- --compare\n          cargo xtask bench -- --rounds 31 --publish\n          cargo xtask bench -- ipip nat"
)]
struct Options {
    /// Only the cases whose name contains one of these, and those they are compared with.
    cases: Vec<String>,
    /// Rounds; every case runs once in each.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..1000))]
    rounds: u32,
    /// Packets per case and round.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..10_000_000))]
    packets: u32,
    /// Flows, services and backends of a case at most: a quick look, whose figures mean little.
    #[arg(long, default_value_t = u32::MAX, value_parser = clap::value_parser!(u32).range(2..))]
    most: u32,
    /// Write JSON into this file; without one print it, and nothing else.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Fail where a ratio to the reference is worse than the baseline by more than its band. Default baseline:
    /// docs/performance/baseline.json.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = BASELINE)]
    compare: Option<PathBuf>,
    /// Write the tables, plots and baseline of performance.md, which this directory has. Default docs.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = DOCS, conflicts_with_all = ["cases", "most"])]
    publish: Option<PathBuf>,
}

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const BASELINE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/performance/baseline.json"
);

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
    let path = options.compare.as_deref().unwrap_or(Path::new(BASELINE));
    let baseline = Baseline::read(path)?;
    if options.compare.is_some() && baseline.is_none() {
        bail!(
            "{}: no baseline is recorded there: `cargo xtask bench -- --publish` records one",
            path.display()
        );
    }
    let mut cases = cases::chosen(options.most, &options.cases)?;
    let rows = measure(&mut cases, options)?;
    let figures = Rounds {
        cases: &cases,
        rows: &rows,
    }
    .figures();
    let whole = options.cases.is_empty();
    let compared = baseline.map(|baseline| baseline.compare(&figures, whole));
    let report = Report {
        machine: Machine::this()?,
        rounds: options.rounds,
        packets: options.packets,
        figures,
        programs: programs::sizes()?,
        compared: compared.unwrap_or_default(),
    };
    if !is_quiet(options) {
        report.print();
    }
    if let Some(file) = &options.json {
        report.write_json(file)?;
    }
    if let Some(docs) = &options.publish {
        publish::publish(&report, docs)?;
    }
    let worse = report.worse().count();
    ensure!(
        options.compare.is_none() || worse == 0,
        "{worse} of the ratios are worse than the baseline"
    );
    Ok(())
}

/// One row per round.
fn measure(cases: &mut [Case], options: &Options) -> Result<Vec<Vec<Measured>>> {
    let is_watched = io::stderr().is_terminal() && !is_quiet(options);
    let tell = |what: &str| {
        if is_watched {
            eprint!("\r{what:<60}");
        }
    };
    lb_tests::cpu::stay_on(0)?;
    tell("loading lb and the reference");
    let mut bench = Bench::new(cases)?;
    for case in &mut *cases {
        tell(&format!("opening {}", case.name));
        bench.prepare(case)?;
    }
    let mut rows = Vec::new();
    for round in 1..=options.rounds {
        tell(&format!("round {round} of {}", options.rounds));
        let row = cases
            .iter()
            .map(|case| bench.measure(case, options.packets));
        rows.push(row.collect::<Result<_>>()?);
    }
    tell("");
    if is_watched {
        eprintln!();
    }
    Ok(rows)
}

/// Whether standard output is JSON.
fn is_quiet(options: &Options) -> bool {
    options.json.as_deref() == Some(Path::new("-"))
}
