//! `cargo xtask`: everything between a fresh clone and a running, tested, measured `lb`.
//!
//! A command finds or fetches what it needs (a BPF compiler, bpf-linker, Debian packages), says what
//! takes long, asks for root only where root is needed, and then hands over to cargo or to `lb`.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use build::Profile;
use clap::{Parser, Subcommand};

mod apt;
mod bench;
mod build;
mod files;
mod install;
mod kernel;
mod layout;
mod lint;
mod packages;
mod plots;
mod progress;
mod root;
mod run;
mod shell;
mod test;
mod toolchain;
mod version;
mod vm;

/// Builds, runs, tests, measures and lints lb.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the BPF objects and the binary `target/release/lb` that embeds them.
    Build {
        /// Build `target/debug/lb` instead: quicker to compile, with debug assertions.
        #[arg(long)]
        debug: bool,
    },
    /// Build, then run the demo as root; with `-- --config FILE`, run the agent on that file instead.
    Run {
        /// Handed on to `lb-demo`, or to `lb agent` when `--config` is among them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then run the tests of the whole workspace as root.
    Test {
        /// Run only the tests whose name contains this.
        filter: Option<OsString>,
        /// Handed on to the test binaries, e.g. `-- --nocapture`.
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Build, then run the benchmarks as root.
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        what: Option<bench::What>,
        /// Handed on to `lb-bench`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then compare the packet path on the host with the one in the kernel over millions of damaged frames.
    Fuzz {
        /// Handed on to `lb-fuzz`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then make the figures and tables of docs/schedulers.md.
    Plots,
    /// Build, then boot Debian's kernels in qemu and prove that lb loads and forwards on each.
    Vm {
        /// The kernel to boot.
        #[arg(long, value_enum, default_value_t)]
        kernel: vm::Choice,
        /// Make only the checks whose name contains one of these.
        #[arg(last = true)]
        filter: Vec<OsString>,
    },
    /// Check formatting, clippy, the BPF build's warnings and the dependencies' licences and sources.
    Lint,
}

fn main() -> ExitCode {
    match obey(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(command: Command) -> Result<()> {
    match command {
        Command::Build { debug: true } => build::build(Profile::Debug, &[]),
        Command::Build { debug: false } => build::build(Profile::Release, &[]),
        Command::Run { args } => run::run(&args),
        Command::Test { filter, args } => test::test(filter.as_deref(), &args),
        Command::Bench {
            what: Some(what), ..
        } => bench::other(&what),
        Command::Bench { what: None, args } => bench::bench(&args),
        Command::Fuzz { args } => bench::fuzz(&args),
        Command::Plots => plots::plots(),
        Command::Vm { kernel, filter } => vm::vm(kernel, &filter),
        Command::Lint => lint::lint(),
    }
}
