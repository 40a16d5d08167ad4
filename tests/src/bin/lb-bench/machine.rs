//! Where it was measured.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// The machine: absolute figures are its own, only ratios travel.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub cpu: String,
    /// Processors that this machine has.
    pub cpus: usize,
    /// Whether it is a guest of a hypervisor.
    pub is_virtual: bool,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub fn this() -> Result<Self> {
        let read =
            |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let about = read("/proc/cpuinfo")?;
        let value = |key: &str| {
            let line = about.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        Ok(Self {
            cpu: value("model name").unwrap_or_else(|| "unknown".into()),
            cpus: about
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            is_virtual: value("flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}
