//! What tcpdump sees on an interface.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::{Lab, Process, wait_until};

/// tcpdump at work; it ends with the value.
#[derive(Debug)]
pub struct Capture {
    process: Process,
}

impl Capture {
    /// Starts tcpdump on `device` of `node` for packets that match `filter`, and waits until it listens.
    ///
    /// # Errors
    /// tcpdump is missing, refuses the filter or does not listen within ten seconds.
    pub fn start(lab: &Lab, node: &str, device: &str, filter: &str) -> Result<Self> {
        // Headers spelled out, checksums verified; every line written at once; no names for numbers.
        let args = ["-vv", "-l", "-n", "--immediate-mode", "-i", device, filter];
        let log = lab.run_dir().join(format!("tcpdump-{node}-{device}.log"));
        let mut process = Process::start(lab.command(node, "tcpdump", args), &log)?;
        wait_until(Duration::from_secs(10), "tcpdump to listen", || {
            process.log().contains("listening on") || !process.is_running()
        })?;
        anyhow::ensure!(
            process.is_running(),
            "tcpdump ended at once (Debian: apt-get install tcpdump): {}",
            process.log().trim()
        );
        Ok(Self { process })
    }

    /// Waits until it has seen all of `patterns`, ends it, and gives everything it wrote.
    ///
    /// # Errors
    /// One of them was not seen within five seconds; the error is what was.
    pub fn until(mut self, patterns: &[&str]) -> Result<String> {
        let seen = |process: &Process| {
            let text = process.log();
            patterns.iter().all(|pattern| text.contains(pattern))
        };
        let what = format!("packets with {patterns:?}");
        wait_until(Duration::from_secs(5), &what, || seen(&self.process))
            .with_context(|| format!("tcpdump saw:\n{}", self.process.log().trim()))?;
        self.process.signal(Signal::INT)?;
        self.process.wait(Duration::from_secs(5))?;
        Ok(self.process.log())
    }
}
