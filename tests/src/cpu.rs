//! Which CPU a thread runs on.

use anyhow::{Context as _, Result};
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};

/// Lets the calling thread run on this CPU only.
///
/// # Errors
/// Where this process may not use it.
pub fn stay_on(cpu: usize) -> Result<()> {
    keep(None, cpu).with_context(|| format!("cannot stay on CPU {cpu}"))
}

/// Lets the main thread of another process run on this CPU only.
///
/// # Errors
/// Where it has ended or may not use it.
pub fn keep_on(process: Pid, cpu: usize) -> Result<()> {
    keep(Some(process), cpu).with_context(|| format!("cannot keep a process on CPU {cpu}"))
}

fn keep(thread: Option<Pid>, cpu: usize) -> rustix::io::Result<()> {
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(thread, &one)
}
