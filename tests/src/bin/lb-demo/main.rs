//! lb shown at work: a network of namespaces, the real agent, real TCP connections, and what becomes of them when
//! weights change, servers stop and the agent is killed.

mod live;
mod rates;
mod report;
mod screen;
mod script;
mod serve;
mod stage;
mod stop;

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use lb_tests::lab::client::traffic;

use self::{report::Report, stage::Stage, stop::Stop};

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // A terminal that has hung up takes no message.
            let _ = writeln!(std::io::stderr(), "lb-demo: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// Exit code of a script with a step that failed.
const STEP_FAILED: u8 = 1;
/// Exit code where nothing was shown: not root, no `lb`, interrupted.
const COULD_NOT_RUN: u8 = 2;

/// Watch lb balance real connections over two backends, in network namespaces of its own. Needs root.
#[derive(Debug, Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  sudo target/release/lb-demo\n  sudo target/release/lb-demo --script --json"
)]
struct Arguments {
    /// The `lb` to show; by default the one beside this program
    #[arg(long, env = "LB_BIN", value_name = "PATH")]
    lb: Option<PathBuf>,
    /// Play a fixed sequence without a terminal, check it, and exit 0 only if all of it held
    #[arg(long)]
    script: bool,
    /// End after so long; a script that needs more has failed [default with --script: 30]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// With --script: end with one JSON object on standard output, and tell the steps on standard error
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// A server that says who it is (the demo starts these itself)
    #[command(hide = true)]
    Serve(serve::Arguments),
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(Role::Serve(server)) = arguments.role {
        return serve::run(&server).map(|()| ExitCode::SUCCESS);
    }
    ensure!(
        rustix::process::geteuid().is_root(),
        "making network namespaces and loading XDP programs needs root: run it again with sudo"
    );
    let has_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !has_terminal && !arguments.script {
        eprintln!("lb-demo: no terminal to draw on, so this is what --script does");
    }
    let lb = arguments.lb.map_or_else(beside_this_program, Ok)?;
    if has_terminal && !arguments.script {
        let stop = Stop::on_signals(arguments.seconds.map(deadline))?;
        let mut stage = Stage::set(&lb)?;
        live::run(&mut stage, &stop)?;
        return stage.strike().map(|()| ExitCode::SUCCESS);
    }
    let stop = Stop::on_signals(Some(deadline(arguments.seconds.unwrap_or(30))))?;
    play(&lb, arguments.json, &stop)
}

fn play(lb: &Path, json: bool, stop: &Stop) -> Result<ExitCode> {
    let mut report = Report::new(json);
    let mut stage = Stage::set(lb)?;
    script::play(&mut stage, stop, &mut report);
    stage.strike()?;
    ensure!(!stop.by_signal(), "interrupted; everything was removed");
    report.finish();
    Ok(ExitCode::from(if report.ok() { 0 } else { STEP_FAILED }))
}

fn deadline(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn beside_this_program() -> Result<PathBuf> {
    let this = std::env::current_exe().context("finding this program")?;
    let lb = this.with_file_name("lb");
    ensure!(
        lb.exists(),
        "no `lb` at {}: make it with `cargo xtask build`, or name one with --lb PATH",
        lb.display()
    );
    Ok(lb)
}
