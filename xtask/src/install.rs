//! Programs from crates.io, built once into `target/tools/bin`.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::Result;

use crate::{files, layout, progress::Step, shell, version::Version};

/// These programs take minutes to compile; slow machines need many.
const LIMIT: Duration = Duration::from_secs(3600);

/// Where an installed program lies.
pub fn binary(name: &str) -> PathBuf {
    layout::tools().join("bin").join(name)
}

/// Builds exactly this version of a program. `complete` adds the program's own flags and environment.
pub fn install(
    name: &str,
    version: Version,
    hint: &str,
    complete: impl FnOnce(&mut Command),
) -> Result<()> {
    let scratch = layout::tools().join("build");
    let mut command = shell::cargo();
    command
        .args(["install", name, "--version", &version.to_string()])
        .args(["--locked", "--force", "--root"])
        .arg(layout::tools())
        .env("CARGO_TARGET_DIR", &scratch);
    complete(&mut command);
    let build = Step {
        log: name,
        title: &format!("building {name} {version}"),
        hint,
        limit: LIMIT,
    };
    build.run(&mut command)?;
    files::remove_dir(&scratch)
}
