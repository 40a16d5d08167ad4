//! `cargo xtask plots`: the figures and tables of docs/schedulers.md.

use std::process::Command;

use anyhow::Result;

use crate::{
    build::{self, Profile},
    layout, shell,
};

/// Builds, then becomes `lb-plots`.
pub fn plots() -> Result<()> {
    build::build(Profile::Release, &["lb-plots"])?;
    let mut command = Command::new(layout::release_binary("lb-plots"));
    command.arg(layout::root().join("docs"));
    Err(shell::exec(&mut command))
}
