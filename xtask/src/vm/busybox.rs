//! The guest's shell and its everyday programs, in one static file that runs on the host as well.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::apt;

const PACKAGE: &str = "busybox-static";

/// Where busybox lies; fetched once.
pub fn fetch() -> Result<PathBuf> {
    let unpacked = super::directory().join("busybox");
    let program = unpacked.join("bin/busybox");
    if !program.exists() {
        apt::need("a guest's programs")?;
        apt::unpack(
            "downloading busybox",
            "once, 1 MB",
            &[PACKAGE.to_owned()],
            &unpacked,
        )?;
    }
    program
        .exists()
        .then_some(program)
        .with_context(|| format!("the package {PACKAGE} holds no bin/busybox"))
}
