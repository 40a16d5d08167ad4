//! The compiler for BPF: an earlier run's, the user's, rustup's or Debian's, in this order.

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Error, Result, anyhow, bail};

use super::{LLVM, NIGHTLY, OLDEST_RUSTC, debian, rustup};
use crate::{layout, progress::say, shell, version::Version};

/// A rustc that can build `core` for BPF, and the cargo to drive it.
#[derive(Debug)]
pub struct Compiler {
    cargo: OsString,
    rustc: PathBuf,
    channel: Channel,
    /// The major version of the LLVM that wrote the bitcode bpf-linker is to read.
    pub llvm: u32,
}

/// What it takes to make cargo and rustc accept unstable flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Nightly,
    Stable,
}

/// Finds a compiler or fetches one.
pub fn resolve() -> Result<Compiler> {
    let mut refused = Vec::new();
    for find in [
        rustup::private,
        debian::unpacked,
        rustup::users,
        debian::installed,
    ] {
        match find() {
            Some(Ok(compiler)) => return Ok(compiler),
            Some(Err(error)) => refused.push(error),
            None => {}
        }
    }
    say("no compiler for BPF yet: fetching one into target/tools (once)");
    for fetch in [rustup::install, debian::fetch] {
        match fetch() {
            Ok(compiler) => return Ok(compiler),
            Err(error) => {
                say(format!("{error:#}"));
                refused.push(error);
            }
        }
    }
    Err(nothing_found(&refused))
}

impl Compiler {
    /// Asks a compiler what it is and whether its sources are there.
    pub fn inspect(rustc: PathBuf, cargo: OsString, channel: Channel) -> Result<Self> {
        let about = shell::output(Command::new(&rustc).arg("-vV"))?;
        let sysroot = shell::output(Command::new(&rustc).args(["--print", "sysroot"]))?;
        let library = PathBuf::from(sysroot.trim()).join("lib/rustlib/src/rust/library");
        if !library.join("core/Cargo.toml").exists() {
            bail!("{} has no sources of `core` beside it", rustc.display());
        }
        match judge(&about) {
            Ok(llvm) => Ok(Self {
                cargo,
                rustc,
                channel,
                llvm,
            }),
            Err(reason) => bail!("{} {reason}", rustc.display()),
        }
    }

    /// This compiler's cargo.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        // The toolchain that runs xtask leaves its own library path behind.
        command
            .env("RUSTC", &self.rustc)
            .env_remove("LD_LIBRARY_PATH");
        if self.is_stable() {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }

    /// Whether the compiler is a stable release that was told to accept unstable flags.
    pub fn is_stable(&self) -> bool {
        self.channel == Channel::Stable
    }
}

/// The LLVM of the compiler that `rustc -vV` describes, or why it will not do.
fn judge(about: &str) -> Result<u32, String> {
    let Some(release) = Version::after("release:", about) else {
        return Err("does not say which release it is".into());
    };
    let Some(llvm) = Version::after("LLVM version:", about) else {
        return Err("does not say which LLVM it is built upon".into());
    };
    if release < OLDEST_RUSTC {
        return Err(format!(
            "is {release}, and lb needs {OLDEST_RUSTC} or newer"
        ));
    }
    if llvm.major > LLVM {
        return Err(format!(
            "is built upon LLVM {}, and our bpf-linker reads LLVM {LLVM} at most",
            llvm.major
        ));
    }
    Ok(llvm.major)
}

fn nothing_found(refused: &[Error]) -> Error {
    // The outermost sentence of each: the whole story was told when it happened.
    let reasons: String = refused.iter().map(|e| format!("\n  - {e}")).collect();
    anyhow!(
        "there is no compiler for BPF:{reasons}\n\
         Install one with either of these, then run the same command again:\n  \
         rustup toolchain install {NIGHTLY} --profile minimal --component rust-src\n  \
         sudo apt-get install rustc-web rust-web-src    # Debian, without its package rustup\n\
         ({} may be deleted at any time.)",
        layout::tools().display()
    )
}

#[cfg(test)]
mod tests {
    use super::judge;

    fn about(release: &str, llvm: &str) -> String {
        format!(
            "rustc {release}\nhost: x86_64-unknown-linux-gnu\nrelease: {release}\nLLVM version: {llvm}\n"
        )
    }

    #[test]
    fn takes_what_bpf_linker_can_read() {
        assert_eq!(judge(&about("1.97.0-nightly", "22.1.4")), Ok(22));
        assert_eq!(judge(&about("1.96.0", "22.1.8")), Ok(22));
        assert_eq!(judge(&about("1.95.0", "21.1.0")), Ok(21));
    }

    #[test]
    fn says_why_it_refuses() {
        let cases = [
            (about("1.85.0", "19.1.7"), "1.95.0 or newer"),
            (about("1.99.0", "23.1.0"), "LLVM 22 at most"),
            (about("1.97.0", "unknown"), "which LLVM"),
            (String::new(), "which release"),
        ];
        for (about, expected) in cases {
            let reason = judge(&about).expect_err(expected);
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
