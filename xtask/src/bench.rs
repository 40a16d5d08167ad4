//! `cargo xtask bench`: how many nanoseconds a packet costs; `cargo xtask fuzz`: whether host and kernel agree on any.

mod net;

use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;

use crate::{
    build::{self, Profile},
    kernel, layout, root, shell,
};

/// What is measured instead of nanoseconds per packet.
#[derive(Subcommand)]
pub enum What {
    /// Measure packets and requests per second over veth, for lb and its peers: three to four minutes.
    Net {
        /// Handed on to `lb-bench-net`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// Measures that.
pub fn other(what: &What) -> Result<()> {
    match what {
        What::Net { args } => net::net(args),
    }
}

/// Builds, then becomes `lb-bench`.
pub fn bench(args: &[OsString]) -> Result<()> {
    become_root("lb-bench", "load the BPF programs to be measured", args)
}

/// Builds, then becomes `lb-fuzz`.
pub fn fuzz(args: &[OsString]) -> Result<()> {
    become_root("lb-fuzz", "load the BPF programs to be compared", args)
}

fn become_root(program: &str, why: &str, args: &[OsString]) -> Result<()> {
    kernel::check()?;
    let mut command = root::command(layout::release_binary(program), why)?;
    build::build(Profile::Release, &[program])?;
    command
        .args(args)
        .env("LB_BIN", layout::release_binary("lb"))
        .env("LB_BPF_OBJECT", layout::bpf_object())
        .env("LB_BENCH_OBJECT", layout::bench_object())
        .env("LB_GENERATOR_OBJECT", layout::generator_object());
    Err(shell::exec(&mut command))
}
