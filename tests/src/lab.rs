//! A network made of namespaces that lives as long as a value: a client, the balancer, backends and the wires between.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use lb_tests::lab::Lab;
//!
//! let lab = Lab::new("lb-example")?;
//! let web = lab.spawn("be1", "nc", ["-lk", "80"])?;
//! let answer = lab.command("client", "curl", ["-s", "http://10.77.0.11/"]).output()?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything goes when the value is dropped, and what a killed process left behind goes when the next lab with
//! the same prefix is made. A lab dropped by a panic first tells what its processes wrote last.

pub mod agent;
pub mod binary;
pub mod capture;
pub mod client;
pub mod decap;
pub mod echo;
pub mod layout;
pub mod namespace;
pub mod nginx;
pub mod process;
pub mod recording;
pub mod scene;

mod leftovers;
mod link;
mod lock;
mod pass;
mod settings;
mod tool;
mod wait;
mod wiring;

#[cfg(test)]
mod tests;

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

pub use self::{
    agent::Agent,
    capture::Capture,
    decap::Decap,
    echo::Echo,
    layout::{Addresses, Cables, Layout, Servers, Topology},
    link::Link,
    lock::{Exclusive, exclusive},
    namespace::Namespace,
    nginx::Nginx,
    process::Process,
    recording::Recording,
    scene::Scene,
    wait::wait_until,
};

/// Namespaces, links and addresses of one layout; all of it goes with the value.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    layout: Layout,
    destroyed: bool,
    programs: Vec<pass::Pass>,
    // Last, so that the prefix is free only when nothing of the lab is left.
    _lock: lock::Held,
}

impl Lab {
    /// The default layout (one segment, two backends) under `prefix`, which no other lab may have at the same time.
    ///
    /// # Errors
    /// Not root, a tool is missing, or the prefix stays in use by another process.
    pub fn new(prefix: &str) -> Result<Self> {
        Self::with_layout(prefix, Layout::default())
    }

    /// As [`Lab::new`], with another layout.
    ///
    /// # Errors
    /// As [`Lab::new`], or a layout that has no room for its backends.
    pub fn with_layout(prefix: &str, layout: Layout) -> Result<Self> {
        need_root()?;
        ensure!(
            prefix.starts_with("lb-")
                && prefix
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "a lab's prefix is `lb-` and letters, digits or hyphens, not `{prefix}`: what it names under /run is removed"
        );
        layout.check()?;
        let lock = lock::Held::wait(&lock_path(prefix), layout.patience)?;
        leftovers::remove(prefix).context("removing what an earlier lab left behind")?;
        // From here on dropping the value undoes whatever was made, so a half-made lab leaves nothing.
        let mut lab = Self {
            prefix: prefix.to_owned(),
            layout,
            destroyed: false,
            programs: Vec::new(),
            _lock: lock,
        };
        std::fs::create_dir_all(lab.run_dir())
            .with_context(|| format!("making {}", lab.run_dir().display()))?;
        lab.programs =
            wiring::build(&lab).with_context(|| format!("building the lab `{prefix}`"))?;
        Ok(lab)
    }

    /// Its prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Directory of its configuration files, logs and sockets: `/run/PREFIX`.
    pub fn run_dir(&self) -> PathBuf {
        leftovers::run_dir(&self.prefix)
    }

    /// Directory of its agent's pins: `/sys/fs/bpf/PREFIX`.
    pub fn pin_dir(&self) -> PathBuf {
        leftovers::pin_dir(&self.prefix)
    }

    /// The namespace of `node`: `client`, `lb`, `be1` and so on, or `wire`.
    pub fn namespace(&self, node: &str) -> Namespace {
        Namespace::new(&self.prefix, node)
    }

    /// `program` in the namespace of `node`, not yet started.
    pub fn command<I, S>(&self, node: &str, program: impl AsRef<OsStr>, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.namespace(node).command(program, args)
    }

    /// Runs `program` to its end in the namespace of `node`; gives what it prints.
    ///
    /// # Errors
    /// It cannot be started, or fails; the error is what it says.
    pub fn run<I, S>(&self, node: &str, program: impl AsRef<OsStr>, args: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        tool::run(&mut self.command(node, program, args))
    }

    /// Starts `program` in the namespace of `node`; its output goes to `NODE-PROGRAM.log` in the run directory.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn<I, S>(&self, node: &str, program: impl AsRef<OsStr>, args: I) -> Result<Process>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let name = Path::new(program.as_ref())
            .file_name()
            .unwrap_or_else(|| program.as_ref())
            .to_string_lossy()
            .into_owned();
        let log = self.run_dir().join(format!("{node}-{name}.log"));
        Process::start(self.command(node, program, args), &log)
    }

    /// Runs `work` on a thread of its own inside the namespace of `node`: sockets and runtimes made there belong to it.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub fn in_namespace<T: Send>(&self, node: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace(node).run(work)
    }

    /// Runs these lines through one `ip -batch` in the namespace of `node`.
    ///
    /// # Errors
    /// One of them fails.
    pub fn ip(&self, node: &str, lines: &[String]) -> Result<()> {
        tool::ip_batch(self.namespace(node).name(), lines)
    }

    /// Lays one more cable between `node` and the bridge of one segment: to the interface `device`, which is new, is down
    /// and has no addresses, from the bridge's port `NODE-DEVICE`.
    ///
    /// # Errors
    /// There is no bridge, or `node` has such an interface.
    pub fn plug(&mut self, node: &str, device: &str) -> Result<()> {
        let program = wiring::plug(self, node, device)?;
        self.programs.push(program);
        Ok(())
    }

    /// The cable between `node` and the balancer (or, in one segment, the bridge).
    pub fn link(&self, node: &str) -> Link {
        Link::of(self, node)
    }

    /// Where `node` is reached, the services' addresses aside.
    ///
    /// # Errors
    /// No such node.
    pub fn addresses(&self, node: &str) -> Result<Addresses> {
        self.layout.addresses(node)
    }

    /// Ends every process in the lab and removes all of it; dropping does the same but cannot report.
    ///
    /// # Errors
    /// Something of it could not be removed.
    pub fn destroy(mut self) -> Result<()> {
        self.destroyed = true;
        leftovers::remove(&self.prefix)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.destroyed {
            return;
        }
        // A terminal that has hung up takes no message.
        let tell = |message: String| drop(writeln!(std::io::stderr(), "{message}"));
        if std::thread::panicking() {
            tell(leftovers::last_words(&self.prefix));
        }
        if let Err(error) = leftovers::remove(&self.prefix) {
            tell(format!(
                "the lab `{}` could not be removed: {error:#}",
                self.prefix
            ));
        }
    }
}

/// Says who asks for root where it is missing; a test that cannot run has failed.
fn need_root() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "network namespaces need root: `cargo xtask test` and `cargo xtask run` ask for it, or use sudo"
    );
    Ok(())
}

fn lock_path(prefix: &str) -> PathBuf {
    PathBuf::from(format!("/run/{prefix}.lab"))
}
