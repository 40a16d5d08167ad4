//! One network namespace: commands, threads and sockets inside it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    panic,
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use rustix::{
    process::Pid,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

/// A name for a namespace of a lab; it may outlive the lab, and then every use of it fails.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn new(prefix: &str, node: &str) -> Self {
        Self {
            name: format!("{prefix}-{node}"),
        }
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// `program` inside it, not yet started.
    ///
    /// Only the network is another: `ip netns exec` would mount another /sys as well, and pins under /sys/fs/bpf
    /// would not be seen.
    pub fn command<I, S>(&self, program: impl AsRef<OsStr>, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut net = std::ffi::OsString::from("--net=");
        net.push(self.path());
        let mut command = Command::new("nsenter");
        command.arg(net).arg("--").arg(program).args(args);
        command
    }

    /// Runs `work` on a thread inside it and waits for its end.
    ///
    /// # Errors
    /// It cannot be entered. A panic of `work` goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let netns = self.open()?;
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&netns)?;
                Ok(work())
            });
            thread
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// Starts `work` on a thread inside it and goes on; the thread's result is an error if it could not enter.
    ///
    /// # Errors
    /// There is no such namespace.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let netns = self.open()?;
        Ok(thread::spawn(move || {
            enter(&netns)?;
            Ok(work())
        }))
    }

    /// The processes whose main thread is inside it.
    pub(super) fn processes(&self) -> Vec<Pid> {
        let Ok(netns) = fs::metadata(self.path()) else {
            return Vec::new();
        };
        let inside = |entry: &fs::DirEntry| {
            fs::metadata(entry.path().join("ns/net"))
                .is_ok_and(|net| net.ino() == netns.ino() && net.dev() == netns.dev())
        };
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter(inside)
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Pid::from_raw)
            .collect()
    }

    fn open(&self) -> Result<File> {
        let path = self.path();
        File::open(&path).with_context(|| format!("no network namespace {}", path.display()))
    }
}

/// Where iproute2 keeps the files that stand for namespaces.
pub(super) const DIRECTORY: &str = "/run/netns";

/// Moves the calling thread, and it alone, into `netns`.
fn enter(netns: &File) -> Result<()> {
    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a network namespace")
}
