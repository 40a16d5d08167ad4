//! Where everything lies: the one place that knows the repository's layout.

use std::path::{Path, PathBuf};

/// What a guest runs. Named even where it is the host's own: then flags for it do not reach build scripts.
pub const GUEST_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The workspace's root, where every child process starts.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies one level below the workspace's root")
}

/// The build directory. Children are given it as `CARGO_TARGET_DIR`, so that a user's own setting
/// cannot separate the BPF object from the agent that embeds it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// Compilers and tools that xtask fetched or built; deleting it only costs the time to get them again.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// The data path, as lb-agent embeds it.
pub fn bpf_object() -> PathBuf {
    target().join("bpf/lb.bpf.o")
}

/// The data path that also takes frames in several pieces, as lb-agent embeds it.
pub fn jumbo_object() -> PathBuf {
    target().join("bpf/jumbo.bpf.o")
}

/// The program that backends run, as lb-agent embeds it.
pub fn decap_object() -> PathBuf {
    target().join("bpf/decap.bpf.o")
}

/// The programs that measure the data path.
pub fn bench_object() -> PathBuf {
    target().join("bpf/bench.bpf.o")
}

/// The programs that make and count live frames.
pub fn generator_object() -> PathBuf {
    target().join("bpf/generator.bpf.o")
}

/// A program built with `--release`.
pub fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Where the programs for a guest are built: their flags differ from the host's, and must not have those built anew.
pub fn guest_build() -> PathBuf {
    target().join("vm/build")
}

/// A program built for a guest.
pub fn guest_binary(name: &str) -> PathBuf {
    guest_build().join(GUEST_TARGET).join("vm").join(name)
}
