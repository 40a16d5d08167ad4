//! `cargo xtask vm`: other kernels than this machine's. Debian's kernels boot in qemu, and a program of ours in there
//! proves that lb loads and forwards.
//!
//! qemu emulates the machine where KVM is of no use. Nothing here needs root, save the installation of qemu itself.

use std::{ffi::OsString, path::PathBuf, thread, time::Instant};

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use image::Image;
use kernels::Kernel;
use qemu::{Accelerator, Machine};
use report::Outcome;

use crate::{
    build, layout, packages,
    progress::{self, say},
};

mod busybox;
mod guest;
mod image;
mod kernels;
mod modules;
mod qemu;
mod report;
mod shared;

pub use qemu::QEMU;

/// Which kernels to boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Debian 12's own kernel, the oldest that lb runs on.
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13's kernel, from Debian 12's updates.
    #[value(name = "6.12")]
    V6_12,
    /// Every one of them.
    #[default]
    All,
}

/// Builds, boots each kernel, and fails when a check in any of them failed.
pub fn vm(choice: Choice, filter: &[OsString]) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "`cargo xtask vm` runs our x86-64 binaries on Debian's x86-64 kernels, and this machine is {}",
            std::env::consts::ARCH
        );
    }
    let arguments = guest::arguments(filter)?;
    packages::ensure(packages::VM)?;
    let kernels: Vec<Kernel> = choice
        .series()
        .iter()
        .map(|series| kernels::fetch(series))
        .collect::<Result<_>>()?;
    let busybox = busybox::fetch()?;
    build::guest()?;

    let start = Instant::now();
    let machines: Vec<Machine<'_>> = kernels
        .iter()
        .map(|kernel| Machine::new(kernel, &guest::image(kernel, &busybox)?))
        .collect::<Result<_>>()?;
    let Some(first) = machines.first() else {
        bail!("there is no kernel to boot");
    };
    let accelerator = Accelerator::probe(first);
    // All at once: an emulated machine has one CPU, and keeps one of this machine's busy.
    let failed: Vec<&str> = thread::scope(|scope| {
        let boots: Vec<_> = machines
            .iter()
            .map(|machine| {
                let boot = scope.spawn(|| passes(machine, accelerator, &arguments));
                (machine.release(), boot)
            })
            .collect();
        boots
            .into_iter()
            .filter_map(|(release, boot)| (!boot.join().unwrap_or(false)).then_some(release))
            .collect()
    });
    if !failed.is_empty() {
        bail!("lb failed on Linux {}", failed.join(" and "));
    }
    say(format!(
        "every check passed; that took {} s",
        start.elapsed().as_secs()
    ));
    Ok(())
}

impl Choice {
    fn series(self) -> &'static [&'static str] {
        match self {
            Self::V6_1 => &["6.1"],
            Self::V6_12 => &["6.12"],
            Self::All => &["6.1", "6.12"],
        }
    }
}

/// The role of a guest that checks lb.
const CHECK: &str = "check";

/// Boots a machine and tells what comes of it.
fn passes(machine: &Machine<'_>, accelerator: Accelerator, arguments: &str) -> bool {
    let title = format!("Linux {}, {accelerator}", machine.release());
    say(format!("{title}: booting ..."));
    let outcome = check(machine, accelerator, arguments);
    match &outcome {
        Ok(outcome) => say(format!("{title}: {outcome}")),
        Err(error) => say(format!("{title}: {error:#}")),
    }
    outcome.is_ok()
}

fn check(machine: &Machine<'_>, accelerator: Accelerator, arguments: &str) -> Result<Outcome> {
    let lines = machine.boot(accelerator, CHECK, arguments);
    lines
        .and_then(|lines| report::judge(&lines))
        .map_err(|error| {
            let log = machine.log(CHECK);
            anyhow!(
                "{error:#}; the end of {}:\n{}",
                log.display(),
                progress::tail(&log)
            )
        })
}

/// Where kernels and images lie.
fn directory() -> PathBuf {
    layout::target().join("vm")
}
