//! Consecutive new connections, single pages and large files, by curl.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::lab::Lab;

/// Has one curl open `count` connections to `address`, one after the other; tells who answered, in that order.
///
/// # Errors
/// A connection fails: the error is what curl says.
pub fn curl(lab: &Lab, address: SocketAddr, count: usize) -> Result<Vec<String>> {
    let mut args: Vec<String> = ["-sS", "--fail-early", "--max-time", "5"]
        .map(str::to_owned)
        .to_vec();
    // The server closes, so that the client's next question needs a connection of its own.
    args.extend(["-H".to_owned(), "Connection: close".to_owned()]);
    args.extend((0..count).map(|_| format!("http://{address}/")));
    let output = lab
        .command("client", "curl", args)
        .output()
        .context("starting curl")?;
    ensure!(
        output.status.success(),
        "curl to {address}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let answers: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    ensure!(
        answers.len() == count,
        "{} answers to {count} questions: {answers:?}",
        answers.len()
    );
    Ok(answers)
}

/// What the client gets from `url`, without the white space around it; any certificate is good enough.
///
/// # Errors
/// No whole answer comes within five seconds: the error is what curl says.
pub fn fetch(lab: &Lab, url: &str) -> Result<String> {
    let args = ["-sS", "-k", "--fail", "--max-time", "5", url];
    let output = lab
        .command("client", "curl", args)
        .output()
        .context("starting curl")?;
    ensure!(
        output.status.success(),
        "curl {url}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The SHA-256 of what the client gets from `url`, however long that takes up to two minutes.
///
/// # Errors
/// curl or sha256sum fails.
pub fn fetch_hash(lab: &Lab, url: &str) -> Result<String> {
    const SCRIPT: &str = "set -o pipefail; curl -sS -k --fail --max-time 120 \"$1\" | sha256sum";
    let mut command = lab.command("client", "bash", ["-c", SCRIPT, "bash", url]);
    first_word(&mut command).with_context(|| format!("fetching {url}"))
}

/// The SHA-256 of a file.
///
/// # Errors
/// sha256sum fails.
pub fn file_hash(path: &Path) -> Result<String> {
    first_word(Command::new("sha256sum").arg(path))
        .with_context(|| format!("hashing {}", path.display()))
}

fn first_word(command: &mut Command) -> Result<String> {
    let output = command.output().context("starting it")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let word = text.split_whitespace().next();
    word.map(str::to_owned).context("it said nothing")
}
