//! Where everything lies: the one place that knows the repository's layout.

use std::path::{Path, PathBuf};

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

/// The programs that measure the data path.
pub fn bench_object() -> PathBuf {
    target().join("bpf/bench.bpf.o")
}

/// A program built with `--release`.
pub fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}
