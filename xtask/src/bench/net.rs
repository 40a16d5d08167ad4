//! `cargo xtask bench net`: packets and requests per second over veth, lb beside its peers.

use std::ffi::OsString;

use anyhow::Result;

use crate::{kernel, packages};

/// Installs what is missing, builds, then becomes `lb-bench-net`.
pub fn net(args: &[OsString]) -> Result<()> {
    kernel::check()?;
    packages::ensure(packages::NET)?;
    super::become_root("lb-bench-net", "make network namespaces", args)
}
