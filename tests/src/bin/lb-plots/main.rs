//! The figures and tables of docs/schedulers.md, made from the schedulers themselves.
//!
//! Nothing in them is random: the same build makes the same files, and a test compares them with those committed.

mod charts;
mod choose;
mod disruption;
mod evenness;
mod page;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;

/// Writes schedulers/*.svg and the tables of schedulers.md.
#[derive(Debug, Parser)]
#[command(name = "lb-plots", after_help = "Example: cargo xtask plots")]
struct Options {
    /// The directory of schedulers.md, which must exist.
    docs: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-plots: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let path = options.docs.join("schedulers.md");
    let mut text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for (marker, table) in page::tables() {
        text = page::PAGE.with(&text, marker, &table)?;
    }
    write(path, &text)?;

    let figures = options.docs.join("schedulers");
    fs::create_dir_all(&figures).with_context(|| format!("cannot make {}", figures.display()))?;
    write(figures.join("evenness.svg"), &charts::evenness()?)?;
    write(figures.join("disruption.svg"), &charts::disruption()?)
}

fn write(path: PathBuf, text: &str) -> Result<()> {
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
