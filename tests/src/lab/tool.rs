//! Running `ip`, `ethtool` and the like, with errors that say what was asked of them.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Runs `command` to its end and returns what it wrote.
pub(super) fn run(command: &mut Command) -> Result<String> {
    finish(command, "")
}

/// Runs `lines` through one `ip -batch` in `netns`: one process instead of one per line.
pub(super) fn ip_batch(netns: &str, lines: &[String]) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["-n", netns, "-batch", "-"]);
    finish(&mut command, &lines.join("\n"))
        .map(drop)
        .with_context(|| format!("the batch was:\n{}", lines.join("\n")))
}

fn finish(command: &mut Command, input: &str) -> Result<String> {
    let shown = format!("{command:?}").replace('"', "");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("starting `{shown}`: is it installed? (Debian: apt-get install iproute2 ethtool util-linux)")
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends before it has read everything says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .with_context(|| format!("waiting for `{shown}`"))?;
    if !output.status.success() {
        bail!(
            "`{shown}` failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
