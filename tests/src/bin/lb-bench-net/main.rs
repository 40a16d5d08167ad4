//! lb beside what else could do its work, between network namespaces: live frames, and real clients.
//!
//! Every contender has a lab of its own, and every case runs in every round, so that what the machine does beside falls
//! on all alike. The figures are medians of the rounds, the ratios medians of the per-round ratios.

mod clients;
mod figure;
mod live;
mod plots;
mod report;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use lb_tests::lab::exclusive;

use report::Report;

/// Measures packets and requests per second over veth, for lb and its peers.
#[derive(Debug, Parser)]
#[command(name = "lb-bench-net", bin_name = "cargo xtask bench net")]
struct Options {
    /// Rounds; every case runs once in each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..100))]
    rounds: u32,
    /// Seconds that real clients run per case and round.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..60))]
    seconds: u32,
    /// Measure only this.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
    /// Draw the figures there, as SVG.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Live frames.
    Live,
    /// Real clients.
    Clients,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-bench-net: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "this makes network namespaces and needs root: `cargo xtask bench net`"
    );
    let _turn = exclusive()?;
    let mut report = Report::default();
    if options.only != Some(Part::Clients) {
        report.live = live::measure(options.rounds)?;
    }
    if options.only != Some(Part::Live) {
        report.clients = clients::measure(options.rounds, options.seconds)?;
    }
    if let Some(directory) = &options.plots {
        plots::draw(directory, &report)?;
    }
    report.print(options.json)
}
