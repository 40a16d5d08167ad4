//! `cargo xtask lint`: what a reviewer should not have to look for.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Result, bail};

use crate::{
    build, install, layout,
    progress::{Step, say},
    shell,
    toolchain::{self, Warnings},
    version::Version,
};

/// The cargo-deny that is built when a machine has none, and the oldest whose deny.toml is ours.
const CARGO_DENY: Version = Version::new(0, 20, 2);

/// A network that does not answer is given up after this time.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// A check's name, and the check.
type Check = (&'static str, fn() -> Result<()>);

/// Runs every check, also after one has failed, and fails when any did.
pub fn lint() -> Result<()> {
    let checks: [Check; 5] = [
        ("formatting (mend it with: cargo fmt --all)", formatting),
        ("BPF build without warnings", bpf),
        ("clippy", clippy),
        ("licences, sources and bans (deny.toml)", dependencies),
        ("known vulnerabilities", advisories),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        say(format!("lint: {name}"));
        if let Err(error) = check() {
            say(format!("{error:#}"));
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("these checks failed: {}", failed.join("; "));
    }
    say("lint: all is well");
    Ok(())
}

fn formatting() -> Result<()> {
    // The files' names will do: nobody mends formatting by hand.
    shell::run(shell::cargo().args(["fmt", "--all", "--check", "--", "-l"]))
}

/// The BPF toolchain comes without clippy, so rustc's lints must do; the library below the BPF binaries
/// is seen by clippy as part of the host's build. This also makes the object that lb-agent embeds.
fn bpf() -> Result<()> {
    build::objects(&toolchain::resolve()?, Warnings::Deny)
}

fn clippy() -> Result<()> {
    // lb-ebpf's feature `bpf` is not for the host, so that crate's features are named one by one.
    for packages in [
        ["--workspace", "--exclude=lb-ebpf", "--all-features"].as_slice(),
        ["--package=lb-ebpf", "--features=testing"].as_slice(),
    ] {
        let mut command = build::host_cargo();
        command
            .args(["clippy", "--all-targets"])
            .args(packages)
            .args(["--", "--deny=warnings"]);
        shell::run(&mut command)?;
    }
    Ok(())
}

fn dependencies() -> Result<()> {
    shell::run(cargo_deny()?.args(["check", "bans", "licenses", "sources"]))
}

fn advisories() -> Result<()> {
    let fetch = Step {
        log: "advisories",
        title: "fetching the advisory database",
        hint: "given up after a minute",
        limit: FETCH_LIMIT,
    };
    if let Err(error) = fetch.run(cargo_deny()?.args(["fetch", "db"])) {
        say(format!("{error:#}"));
        say(
            "WARNING: KNOWN VULNERABILITIES WERE NOT CHECKED: the advisory database is out of reach",
        );
        return Ok(());
    }
    shell::run(cargo_deny()?.args(["check", "advisories"]))
}

/// cargo-deny for this workspace, the user's or ours.
fn cargo_deny() -> Result<Command> {
    let ours = install::binary("cargo-deny");
    let found = [shell::find("cargo-deny"), Some(ours.clone())]
        .into_iter()
        .flatten()
        .find(is_new_enough);
    let program = match found {
        Some(program) => program,
        None => {
            install::install("cargo-deny", CARGO_DENY, "once, four minutes", |_| ())?;
            ours
        }
    };
    let mut command = Command::new(program);
    command.current_dir(layout::root());
    Ok(command)
}

fn is_new_enough(program: &PathBuf) -> bool {
    shell::output(Command::new(program).arg("--version"))
        .ok()
        .and_then(|about| Version::after("cargo-deny ", &about))
        .is_some_and(|version| version >= CARGO_DENY)
}
