//! wrk as the client.

use std::fs;

use anyhow::{Context as _, Result};
use lb_tests::lab::Lab;
use serde::{Deserialize, Serialize};

/// How clients behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They keep their connections and ask again at once: as much as goes through.
    KeepAlive,
    /// They keep their connections and pause for one to three milliseconds before they ask again: no CPU is busy all the
    /// time, and what an answer waits for is not the clients themselves.
    Paced,
    /// They open a connection for each request.
    NewConnections,
}

/// What clients saw.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Requests answered per second.
    pub per_second: f64,
    /// The time that 99 of 100 answers take at most, in microseconds.
    pub p99_us: f64,
    /// Requests that failed.
    pub failed: u64,
}

/// What the script prints.
#[derive(Deserialize)]
struct Printed {
    requests: u64,
    duration_us: u64,
    p99_us: f64,
    failed: u64,
}

/// The CPU that clients run on. Servers have the other one and proxies both: else how the kernel happens to pair clients
/// with servers counts for more than what is between them.
const CPU: usize = 0;
/// Connections that each client has at a time.
const CONNECTIONS: u32 = 32;
const SCRIPT: &str = include_str!("wrk.lua");
const PAUSE: &str = "delay = function() return math.random(1, 3) end\n";

impl Mode {
    /// How it is called in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::Paced => "paced",
            Self::NewConnections => "new connections",
        }
    }
}

impl Outcome {
    /// Of two clients at once.
    pub fn and(self, other: &Self) -> Self {
        Self {
            per_second: self.per_second + other.per_second,
            p99_us: self.p99_us.max(other.p99_us),
            failed: self.failed + other.failed,
        }
    }
}

/// Runs one client against port 80 of `target` for so many seconds.
pub fn run(lab: &Lab, target: &str, mode: Mode, seconds: u32) -> Result<Outcome> {
    let script = lab.run_dir().join(format!("wrk-{target}.lua"));
    let pause = if mode == Mode::Paced { PAUSE } else { "" };
    fs::write(&script, format!("{SCRIPT}{pause}"))
        .with_context(|| format!("writing {}", script.display()))?;
    let mut args: Vec<String> = vec![
        "--cpu-list".into(),
        CPU.to_string(),
        "wrk".into(),
        "--threads=1".into(),
        format!("--connections={CONNECTIONS}"),
        format!("--duration={seconds}s"),
        format!("--script={}", script.display()),
    ];
    if mode == Mode::NewConnections {
        args.push("--header=Connection: close".into());
    }
    args.push(format!("http://{target}/"));
    let output = lab.run("client", "taskset", args)?;
    let line = output.lines().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("wrk printed no figures:\n{output}"))?;
    let printed: Printed =
        serde_json::from_str(line).with_context(|| format!("reading wrk's figures: {line}"))?;
    Ok(Outcome {
        per_second: printed.requests as f64 * 1e6 / printed.duration_us as f64,
        p99_us: printed.p99_us,
        failed: printed.failed,
    })
}
