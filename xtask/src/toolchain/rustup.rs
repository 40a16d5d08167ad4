//! The pinned nightly from rustup: the user's own, or one of ours that leaves theirs alone.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    NIGHTLY,
    compiler::{Channel, Compiler},
};
use crate::{layout, progress::Step, shell};

/// A network that neither answers nor refuses must not hold up the other ways of getting a compiler.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);

/// The nightly that an earlier run installed.
pub fn private() -> Option<Result<Compiler>> {
    nightly_in(&private_home())
}

/// The nightly that the user has anyway.
pub fn users() -> Option<Result<Compiler>> {
    let home = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup")))?;
    nightly_in(&home)
}

/// Installs the nightly for us alone.
pub fn install() -> Result<Compiler> {
    let rustup = shell::find("rustup").context("rustup: not on the PATH")?;
    let mut command = Command::new(rustup);
    command
        .args(["toolchain", "install", NIGHTLY, "--profile", "minimal"])
        .args(["--component", "rust-src", "--no-self-update"])
        .env("RUSTUP_HOME", private_home())
        // Its failure is shown to a person.
        .env("RUST_BACKTRACE", "0");
    let install = Step {
        log: "rustup",
        title: &format!("installing {NIGHTLY} with rustup"),
        hint: "once, 200 MB",
        limit: DOWNLOAD_LIMIT,
    };
    install.run(&mut command)?;
    private().context("rustup reported success, but the nightly is not there")?
}

fn private_home() -> PathBuf {
    layout::tools().join("rustup")
}

fn nightly_in(home: &Path) -> Option<Result<Compiler>> {
    let toolchains = home.join("toolchains");
    let bin = toolchains
        .join(format!("{NIGHTLY}-{}", shell::host_triple().ok()?))
        .join("bin");
    let rustc = bin.join("rustc");
    rustc
        .exists()
        .then(|| Compiler::inspect(rustc, bin.join("cargo").into(), Channel::Nightly))
}
