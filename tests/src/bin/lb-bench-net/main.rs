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

use clients::Mode;
use report::Report;

/// Measures packets and requests per second over veth, for lb and its peers.
#[derive(Debug, Parser)]
#[command(name = "lb-bench-net", bin_name = "cargo xtask bench net")]
struct Options {
    /// Rounds; every case runs once in each.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..100))]
    rounds: u32,
    /// Seconds that real clients run per case and round.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..60))]
    seconds: u32,
    /// Measure only this; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Part>,
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
    /// Real clients that keep their connections.
    KeepAlive,
    /// Real clients that pause between requests.
    Paced,
    /// Real clients that open a connection for each request.
    NewConnections,
}

impl Part {
    /// The clients of this part, if it has any.
    const fn mode(self) -> Option<Mode> {
        match self {
            Self::Live => None,
            Self::KeepAlive => Some(Mode::KeepAlive),
            Self::Paced => Some(Mode::Paced),
            Self::NewConnections => Some(Mode::NewConnections),
        }
    }
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
    let parts = match &options.only[..] {
        [] => Part::value_variants(),
        only => only,
    };
    let mut report = Report::default();
    if parts.contains(&Part::Live) {
        report.live = live::measure(options.rounds)?;
    }
    let modes: Vec<Mode> = parts.iter().filter_map(|part| part.mode()).collect();
    if !modes.is_empty() {
        report.clients = clients::measure(&modes, options.rounds, options.seconds)?;
    }
    if let Some(directory) = &options.plots {
        plots::draw(directory, &report)?;
    }
    report.print(options.json)
}
