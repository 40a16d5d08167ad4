//! bpf-linker: an earlier run's, the user's, or one that is built here.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{BPF_LINKER, LLVM, compiler::Compiler, llvm};
use crate::{install, progress::say, shell, version::Version};

/// Finds a bpf-linker that reads the compiler's bitcode, or builds one.
pub fn resolve(compiler: &Compiler) -> Result<PathBuf> {
    let ours = install::binary("bpf-linker");
    for candidate in [Some(ours.clone()), shell::find("bpf-linker")]
        .into_iter()
        .flatten()
        .filter(|path| path.exists())
    {
        match inspect(&candidate, compiler.llvm) {
            Ok(()) => return Ok(candidate),
            Err(reason) => say(format!("not using {}: {reason:#}", candidate.display())),
        }
    }
    build()?;
    inspect(&ours, compiler.llvm).context("the bpf-linker that was just built does not work")?;
    Ok(ours)
}

fn inspect(linker: &Path, compiler_llvm: u32) -> Result<()> {
    let version = shell::output(Command::new(linker).arg("--version"))?;
    // LLVM takes this argument for itself, prints its version and ends the process.
    let llvm = shell::output(Command::new(linker).args([
        "--llvm-args=--version",
        "--output=/dev/null",
        "/dev/null",
    ]))?;
    judge(&version, &llvm, compiler_llvm)
}

fn judge(version: &str, llvm: &str, compiler_llvm: u32) -> Result<()> {
    match Version::after("bpf-linker ", version) {
        Some(version) if version >= BPF_LINKER => {}
        Some(version) => bail!("it is {version}, and {BPF_LINKER} or newer is needed"),
        None => bail!("it does not say which version it is"),
    }
    match Version::after("LLVM version ", llvm) {
        Some(llvm) if llvm.major >= compiler_llvm => Ok(()),
        Some(llvm) => bail!(
            "it reads the bitcode of LLVM {} at most, and the compiler writes LLVM {compiler_llvm}'s",
            llvm.major
        ),
        None => bail!("it does not say which LLVM it is built upon"),
    }
}

fn build() -> Result<()> {
    let llvm = llvm::prefix()?;
    install::install(
        "bpf-linker",
        BPF_LINKER,
        "once, a minute or two",
        |command| {
            command
                .args(["--no-default-features", "--features"])
                .arg(format!("llvm-{LLVM}"))
                .env("LLVM_PREFIX", llvm)
                // bpf-linker's run path then holds for the libraries that LLVM needs in turn.
                .env(
                    "CARGO_ENCODED_RUSTFLAGS",
                    "-Clink-arg=-Wl,--disable-new-dtags",
                );
        },
    )
    .context(
        "there is no bpf-linker; `cargo binstall bpf-linker` fetches one that is built already",
    )
}

#[cfg(test)]
mod tests {
    use super::judge;

    const LLVM_22: &str = "Debian LLVM version 22.1.8\n  Optimized build.\n";

    #[test]
    fn takes_a_linker_at_least_as_new_as_the_compiler() {
        judge("bpf-linker 0.13.0", LLVM_22, 22).expect("the same LLVM");
        judge("bpf-linker 0.14.1", "LLVM version 23.1.0git", 22).expect("a newer LLVM");
    }

    #[test]
    fn says_why_it_refuses() {
        let cases = [
            ("bpf-linker 0.9.15", LLVM_22, "0.13.0 or newer"),
            (
                "bpf-linker 0.13.0",
                "LLVM version 21.1.0",
                "LLVM 21 at most",
            ),
            ("bpf-linker 0.13.0", "", "which LLVM"),
            ("ld 2.40", LLVM_22, "which version"),
        ];
        for (version, llvm, expected) in cases {
            let reason = judge(version, llvm, 22).expect_err(expected).to_string();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
