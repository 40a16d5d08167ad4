//! Root, only for what needs it: through sudo, and saying why.

use std::{ffi::OsStr, fs, os::unix::fs::MetadataExt as _, process::Command};

use anyhow::{Result, bail};

use crate::{progress::say, shell};

/// What the programs we start as root read from the environment. Named one by one because not every
/// sudo can (sudo-rs) or may (a strict policy) keep all of it.
const KEEP_ENV: &[&str] = &[
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CI",
    "COLORTERM",
    "INSTA_UPDATE",
    "INSTA_WORKSPACE_ROOT",
    "LB_BENCH_OBJECT",
    "LB_BIN",
    "LB_BPF_OBJECT",
    "LB_DECAP_OBJECT",
    "LB_DEMO_BIN",
    "LB_GENERATOR_OBJECT",
    "LB_JUMBO_OBJECT",
    "NO_COLOR",
    "PROPTEST_CASES",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "TERM",
];

/// A command that runs `program` as root; `why` completes the sentence "root is needed to ...".
pub fn command(program: impl AsRef<OsStr>, why: &str) -> Result<Command> {
    let Some(mut words) = prefix(why)? else {
        return Ok(Command::new(program));
    };
    let mut command = Command::new(words.remove(0));
    command.args(words).arg(program);
    Ok(command)
}

/// The words that go before a command line to run it as root, or nothing when we are root already.
pub fn prefix(why: &str) -> Result<Option<Vec<String>>> {
    if is_root() {
        return Ok(None);
    }
    if shell::find("sudo").is_none() {
        bail!(
            "root is needed to {why}, and there is no sudo here: install sudo, or become root and run \
             the same command again"
        );
    }
    say(format!("using sudo: root is needed to {why}"));
    let keep = format!("--preserve-env={}", KEEP_ENV.join(","));
    Ok(Some(vec!["sudo".into(), keep]))
}

/// Whether this process runs as root.
fn is_root() -> bool {
    // The owner of /proc/self is the process's effective user.
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}
