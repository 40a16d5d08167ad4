//! The `lb` under test.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};

/// `LB_BIN`, else the `lb` that was built where the running program was.
///
/// # Errors
/// There is none.
pub fn lb() -> Result<PathBuf> {
    if let Some(path) = env::var_os("LB_BIN") {
        return Ok(path.into());
    }
    let own = env::current_exe().context("where this program is")?;
    // target/PROFILE/deps/TEST, and target/PROFILE/lb; a test may run beside a release build as well.
    own.ancestors()
        .skip(1)
        .take(3)
        .flat_map(|directory| [directory.join("lb"), directory.join("release/lb")])
        .find(|path| path.is_file())
        .with_context(|| {
            format!(
                "no `lb` near {}: run `cargo xtask test`, or name it in LB_BIN",
                own.display()
            )
        })
}
