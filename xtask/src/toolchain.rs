//! The BPF toolchain: a compiler with its own sources of `core`, and bpf-linker.
//!
//! `bpfel-unknown-none` has no precompiled `core`, so `core` is built along, which needs an unstable
//! cargo flag and sources that match the compiler. The pinned stable toolchain of the workspace has
//! neither; what is found or fetched here is used for the BPF objects and for nothing else.

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::Result;
use compiler::Compiler;

use crate::{layout, version::Version};

mod compiler;
mod debian;
mod linker;
mod llvm;
mod rustup;

/// The nightly that is installed when a machine has no compiler for BPF.
const NIGHTLY: &str = "nightly-2026-05-20";

/// The oldest compiler that the workspace's `rust-version` admits.
const OLDEST_RUSTC: Version = Version::new(1, 95, 0);

/// The bpf-linker that is built when a machine has none, and the oldest one that is used.
const BPF_LINKER: Version = Version::new(0, 13, 0);

/// The LLVM that our bpf-linker is built upon: no compiler may be built upon a newer one.
const LLVM: u32 = 22;

/// BPF programs are compiled for the byte order of the machine they run on.
pub const TARGET: &str = if cfg!(target_endian = "little") {
    "bpfel-unknown-none"
} else {
    "bpfeb-unknown-none"
};

/// A compiler and a linker that fit each other.
pub struct Toolchain {
    compiler: Compiler,
    linker: PathBuf,
}

/// What becomes of a build's warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warnings {
    Show,
    Deny,
}

/// Finds the toolchain, or fetches and builds what is missing of it.
pub fn resolve() -> Result<Toolchain> {
    let compiler = compiler::resolve()?;
    let linker = linker::resolve(&compiler)?;
    Ok(Toolchain { compiler, linker })
}

impl Toolchain {
    /// A `cargo build` for the BPF target in the workspace.
    pub fn cargo_build(&self, warnings: Warnings) -> Command {
        let linker_variable = format!(
            "CARGO_TARGET_{}_LINKER",
            TARGET.to_uppercase().replace('-', "_")
        );
        let mut command = self.compiler.cargo();
        command
            .current_dir(layout::root())
            .env(linker_variable, &self.linker)
            // The encoded form wins over a RUSTFLAGS that the user set for the host.
            .env("CARGO_ENCODED_RUSTFLAGS", encoded_rustflags())
            .args(["build", "--target", TARGET, "-Z", "build-std=core"]);
        if warnings == Warnings::Deny {
            // Unlike `-D warnings` among the flags, this does not compile everything once more.
            command.env("CARGO_BUILD_WARNINGS", "deny");
            // Stable since 1.97, and so for every nightly that we take.
            if self.compiler.is_stable() {
                command.args(["-Z", "warnings"]);
            }
        }
        command
    }
}

/// rustc's flags for the BPF target, separated as CARGO_ENCODED_RUSTFLAGS wants them.
fn encoded_rustflags() -> OsString {
    let arch = format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH);
    [
        // v3 has the atomics whose result is used, and 32-bit registers; every kernel since 5.12 runs it.
        "-Ctarget-cpu=v3",
        // Whose registers a probe's context holds.
        &arch,
        "-Clink-arg=--btf",
    ]
    .join("\x1f")
    .into()
}
