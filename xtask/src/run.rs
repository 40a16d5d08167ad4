//! `cargo xtask run`: the demo, or the agent on a configuration of one's own.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build::{self, Profile},
    kernel, layout, packages, root, shell,
};

/// Builds what is asked for and becomes it, so that its exit code is ours.
pub fn run(args: &[OsString]) -> Result<()> {
    kernel::check()?;
    let lb = layout::release_binary("lb");
    // Root is asked for first: nobody should wait for a build to learn that it cannot be had.
    let mut command = if names_a_config(args) {
        let mut command = root::command(lb, "load an XDP program")?;
        command.arg("agent");
        build::build(Profile::Release, &[])?;
        command
    } else {
        let why = "make the demo's network namespaces and load an XDP program";
        let mut command = root::command(layout::release_binary("lb-demo"), why)?;
        command.arg("--lb").arg(lb);
        packages::ensure(packages::DEMO)?;
        build::build(Profile::Release, &["lb-demo"])?;
        command
    };
    Err(shell::exec(command.args(args)))
}

fn names_a_config(args: &[OsString]) -> bool {
    args.iter().any(|arg| {
        arg == "--config" || arg.to_str().is_some_and(|arg| arg.starts_with("--config="))
    })
}

#[cfg(test)]
mod tests {
    use super::names_a_config;

    #[test]
    fn a_config_means_the_agent() {
        let config = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(Into::into).collect();
            names_a_config(&args)
        };
        assert!(config(&["--config", "lb.toml"]));
        assert!(config(&["--dry-run", "--config=lb.toml"]));
        assert!(!config(&["--backends", "3"]));
        assert!(!config(&[]));
    }
}
