//! `cargo xtask test`: the whole workspace's tests, as root, because they load BPF programs and make
//! network namespaces. Only the test binaries are root's: cargo and its files stay the user's.

use std::ffi::{OsStr, OsString};

use anyhow::Result;

use crate::{
    build::{self, Profile},
    kernel, layout, packages, root, shell,
};

/// Builds, then becomes `cargo test`.
pub fn test(filter: Option<&OsStr>, args: &[OsString]) -> Result<()> {
    kernel::check()?;
    let as_root = root::prefix("run the tests, which load BPF programs")?;
    packages::ensure(packages::TESTS)?;
    build::build(Profile::Release, &["lb-demo"])?;

    let mut command = build::host_cargo();
    command
        .args(["test", "--workspace", "--features", "lb-ebpf/testing"])
        .args(filter)
        .env("LB_BIN", layout::release_binary("lb"))
        .env("LB_DEMO_BIN", layout::release_binary("lb-demo"))
        // Otherwise insta asks cargo, which root may not have.
        .env("INSTA_WORKSPACE_ROOT", layout::root());
    if !args.is_empty() {
        command.arg("--").args(args);
    }
    if let Some(sudo) = as_root {
        command.env(runner_variable(&shell::host_triple()?), sudo.join(" "));
    }
    Err(shell::exec(&mut command))
}

/// The variable that names the program through which cargo starts what it built for `triple`.
fn runner_variable(triple: &str) -> String {
    format!(
        "CARGO_TARGET_{}_RUNNER",
        triple.to_uppercase().replace('-', "_")
    )
}

#[cfg(test)]
mod tests {
    use super::runner_variable;

    #[test]
    fn names_cargos_runner() {
        assert_eq!(
            runner_variable("x86_64-unknown-linux-gnu"),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
        );
    }
}
