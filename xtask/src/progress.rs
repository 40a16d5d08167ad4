//! Long steps without a wall of text: one line at the start, one every so often, one at the end. What
//! the step itself prints goes to a log, whose end is shown only when the step fails.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{files, layout, shell};

/// How often a long step says that it is still at work.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// How much of the log a failure shows.
const TAIL_LINES: usize = 15;

/// Says something to the person at the terminal.
pub fn say(line: impl AsRef<str>) {
    eprintln!("xtask: {}", line.as_ref());
}

/// A command that takes long.
pub struct Step<'a> {
    /// The name of its log.
    pub log: &'a str,
    /// What it does, as in "building bpf-linker".
    pub title: &'a str,
    /// What to expect of it, as in "once, about a minute".
    pub hint: &'a str,
    /// After this time it is taken for stuck and killed.
    pub limit: Duration,
}

impl Step<'_> {
    /// Runs the command to its end.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let log = layout::tools().join("log");
        self.run_logged(command, &log.join(format!("{}.log", self.log)))
    }

    fn run_logged(&self, command: &mut Command, log: &Path) -> Result<()> {
        files::make_parent(log)?;
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);

        say(format!("{} ({}) ...", self.title, self.hint));
        let start = Instant::now();
        let result = self.wait(command, start);
        let seconds = start.elapsed().as_secs();
        if let Err(error) = result {
            let (log, tail) = (log.display(), tail(log));
            return Err(anyhow!("{error:#}; the end of {log}:\n{tail}")
                .context(format!("{} failed after {seconds} s", self.title)));
        }
        say(format!("{}: done in {seconds} s", self.title));
        Ok(())
    }

    fn wait(&self, command: &mut Command, start: Instant) -> Result<()> {
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", shell::show(command)))?;
        let mut next_sign = SIGN_OF_LIFE;
        loop {
            if let Some(status) = child.try_wait()? {
                if !status.success() {
                    bail!("{} ended with {status}", shell::show(command));
                }
                return Ok(());
            }
            let elapsed = start.elapsed();
            if elapsed > self.limit {
                child.kill()?;
                child.wait()?;
                bail!("{} did not come to an end", shell::show(command));
            }
            if elapsed > next_sign {
                say(format!("{}: {} s so far", self.title, elapsed.as_secs()));
                next_sign += SIGN_OF_LIFE;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The last lines of a log, to be shown below an error.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines[first..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    fn run(name: &str, limit: Duration, script: &str) -> String {
        let step = Step {
            log: name,
            title: "testing",
            hint: "an instant",
            limit,
        };
        // Not among the real logs: the tests may run as root, and the logs are the user's.
        let log = env::temp_dir().join(format!("xtask-{name}-{}.log", process::id()));
        let result = step.run_logged(Command::new("sh").args(["-c", script]), &log);
        fs::remove_file(&log).expect("the step has made its log");
        format!("{:#}", result.expect_err("the script fails"))
    }

    #[test]
    fn a_failure_shows_the_end_of_the_log() {
        let script = "echo early; echo late >&2; exit 3";
        let told = run("failure", Duration::from_secs(60), script);
        assert!(told.starts_with("testing failed after 0 s"), "{told}");
        assert!(told.contains("    early\n    late\n"), "{told}");
    }

    #[test]
    fn a_step_that_hangs_is_ended() {
        let told = run("hang", Duration::from_millis(100), "exec sleep 60");
        assert!(told.contains("did not come to an end"), "{told}");
    }
}
