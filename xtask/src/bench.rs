//! `cargo xtask bench`: how many nanoseconds a packet costs.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build::{self, Profile},
    kernel, layout, root, shell,
};

/// Builds, then becomes `lb-bench`.
pub fn bench(args: &[OsString]) -> Result<()> {
    kernel::check()?;
    let why = "load the BPF programs to be measured";
    let mut command = root::command(layout::release_binary("lb-bench"), why)?;
    build::build(Profile::Release, &["lb-bench"])?;
    command
        .args(args)
        .env("LB_BIN", layout::release_binary("lb"))
        .env("LB_BPF_OBJECT", layout::bpf_object())
        .env("LB_BENCH_OBJECT", layout::bench_object());
    Err(shell::exec(&mut command))
}
