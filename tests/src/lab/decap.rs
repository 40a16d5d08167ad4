//! The other end of tunnels: `lb decap` on a backend.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::{Lab, binary, tool};

/// A backend that takes packets out of tunnels, as long as the value lives.
#[derive(Debug)]
pub struct Decap {
    detach: Command,
}

impl Decap {
    /// Has `node` take packets out of tunnels that come by its `eth0`.
    ///
    /// # Errors
    /// `lb decap` refuses; the error is what it says.
    pub fn start(lab: &Lab, node: &str) -> Result<Self> {
        let lb = binary::lb()?;
        let pins: PathBuf = lab.pin_dir().join(format!("decap-{node}"));
        let command = |args: &[&str]| {
            let mut command = lab.command(node, &lb, ["decap", "--pin-dir"]);
            command.arg(&pins).args(args);
            command
        };
        tool::run(&mut command(&["--interface", "eth0"]))?;
        let detach = command(&["--detach"]);
        Ok(Self { detach })
    }
}

impl Drop for Decap {
    fn drop(&mut self) {
        // What stays goes with the lab.
        let _ = self.detach.output();
    }
}
