//! The real agent in the balancer's namespace, and its command line.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use lb_agent::{api::model::Status, client::Client};
use rustix::process::Signal;

use super::{Lab, Namespace, Process, wait_until};

/// `lb agent`, running or not; it ends with the value, what it pinned ends with the lab.
#[derive(Debug)]
pub struct Agent {
    namespace: Namespace,
    lb: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl Agent {
    /// Writes `config` to the run directory, starts the agent of the binary `lb` with it and waits until it answers.
    ///
    /// # Errors
    /// The agent ends or does not answer within twenty seconds; the error carries what it wrote.
    pub fn start(lab: &Lab, lb: &Path, config: &str) -> Result<Self> {
        let mut agent = Self::prepare(lab, lb, config)?;
        agent.restart()?;
        Ok(agent)
    }

    /// As [`Agent::start`], without starting it.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub fn prepare(lab: &Lab, lb: &Path, config: &str) -> Result<Self> {
        let run_dir = lab.run_dir();
        let agent = Self {
            namespace: lab.namespace("lb"),
            lb: fs::canonicalize(lb).with_context(|| {
                format!("no `lb` at {}: `cargo xtask build` makes it", lb.display())
            })?,
            config: run_dir.join("lb.toml"),
            socket: socket(lab),
            log: run_dir.join("lb-agent.log"),
            process: None,
        };
        agent.write_config(config)?;
        Ok(agent)
    }

    /// Replaces the configuration file; `lb reload` makes the agent read it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_config(&self, config: &str) -> Result<()> {
        fs::write(&self.config, config)
            .with_context(|| format!("writing {}", self.config.display()))
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The socket of its API.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client of its API.
    pub fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    /// What it says of itself now.
    ///
    /// # Errors
    /// It does not answer within two seconds.
    pub fn status(&self) -> Result<Status> {
        let client = self.client();
        let answer = async {
            tokio::time::timeout(Duration::from_secs(2), client.get("/v1/status"))
                .await
                .context("the agent does not answer")?
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making a runtime")?
            .block_on(answer)
    }

    /// `lb ARGS`, with this agent as the one it speaks to; not yet started.
    pub fn command<I, S>(&self, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.namespace.command(&self.lb, args);
        command.env("LB_API", &self.socket);
        command
    }

    /// Runs `lb ARGS` to its end.
    ///
    /// # Errors
    /// It cannot be started; a verb that fails is no error here.
    pub fn lb<I, S>(&self, args: I) -> Result<Output>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command(args);
        command
            .output()
            .with_context(|| format!("running {command:?}"))
    }

    /// Runs `lb ARGS` and returns what it printed.
    ///
    /// # Errors
    /// As [`Agent::lb`], or the verb fails; the error is what it said.
    pub fn lb_ok<I, S>(&self, args: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = self.lb(args)?;
        ensure!(
            output.status.success(),
            "lb failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Its process id, while it runs.
    pub fn pid(&mut self) -> Option<u32> {
        let process = self.process.as_mut()?;
        process.is_running().then(|| process.pid())
    }

    /// What it and its predecessors wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it without a warning.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It does not run, or goes on for ten seconds more.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the agent does not run")?;
        process.signal(Signal::TERM)?;
        process.wait(Duration::from_secs(10)).map(drop)
    }

    /// Starts it, after killing it if it runs, and waits until it answers.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.process = None;
        let mut process = Process::start(
            self.command([
                OsStr::new("agent"),
                OsStr::new("--config"),
                self.config.as_os_str(),
            ]),
            &self.log,
        )?;
        let pid = process.pid();
        // A socket file may be left of an agent that was killed: only an answer of the new one counts.
        let answers = || self.status().is_ok_and(|status| status.pid == pid);
        let mut ended = false;
        let waited = wait_until(Duration::from_secs(20), "the agent's answer", || {
            ended = !process.is_running();
            ended || answers()
        });
        if ended || waited.is_err() {
            let how = if ended { "ended" } else { "does not answer" };
            bail!("the agent {how}; it wrote:\n{}", process.log().trim());
        }
        self.process = Some(process);
        Ok(())
    }
}

/// A configuration for the agent of `lab`: its sockets, pins and interfaces, then `services`, which are `[[service]]` tables.
pub fn config(lab: &Lab, xdp: &str, services: &str) -> String {
    let interface = |name| format!("[[interface]]\nname = \"{name}\"\nxdp  = \"{xdp}\"\n\n");
    let interfaces: String = lab
        .layout()
        .balancer_interfaces()
        .iter()
        .map(interface)
        .collect();
    format!(
        "[agent]\napi     = \"{}\"\npin_dir = \"{}\"\nstate   = \"{}\"\n\n{interfaces}{services}",
        socket(lab).display(),
        lab.pin_dir().display(),
        lab.run_dir().join("state.json").display(),
    )
}

fn socket(lab: &Lab) -> PathBuf {
    lab.run_dir().join("lb.sock")
}
