//! Consecutive new connections, by curl.

use std::net::SocketAddr;

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
