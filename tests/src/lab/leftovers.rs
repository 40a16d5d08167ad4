//! Removing a lab: the same steps whether it ends well or was left behind by a process that was killed.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::{Namespace, namespace, tool, wait_until};

/// Ends the processes of the lab `prefix` and removes its namespaces, pins and files; nothing to do is no error.
pub(super) fn remove(prefix: &str) -> Result<()> {
    let namespaces = namespaces(prefix)?;
    for namespace in &namespaces {
        end_processes(namespace)?;
    }
    // Pins before namespaces: a pinned link would keep the program attached as long as the interface lives.
    remove_directory(&pin_dir(prefix))?;
    for namespace in &namespaces {
        tool::run(Command::new("ip").args(["netns", "delete", namespace.name()]))?;
    }
    remove_directory(&run_dir(prefix))
}

/// The ends of the logs in the run directory of the lab `prefix`, for whoever looks into a failed test.
pub(super) fn last_words(prefix: &str) -> String {
    /// Lines shown of each log.
    const LINES: usize = 30;
    let mut logs: Vec<_> = fs::read_dir(run_dir(prefix))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let mut words = String::new();
    for log in logs {
        let bytes = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let skipped = text.lines().count().saturating_sub(LINES);
        words += &format!("--- {}\n", log.display());
        for line in text.lines().skip(skipped) {
            words += line;
            words.push('\n');
        }
    }
    words
}

pub(super) fn run_dir(prefix: &str) -> PathBuf {
    Path::new("/run").join(prefix)
}

pub(super) fn pin_dir(prefix: &str) -> PathBuf {
    Path::new("/sys/fs/bpf").join(prefix)
}

fn namespaces(prefix: &str) -> Result<Vec<Namespace>> {
    let entries = match fs::read_dir(namespace::DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("listing network namespaces"),
    };
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| node(&name, prefix).map(|node| Namespace::new(prefix, node)))
        .collect())
}

/// The node a namespace is for. Only names that a lab makes: a lab `lb` does not touch one called `lb-demo`.
fn node<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let node = name.strip_prefix(prefix)?.strip_prefix('-')?;
    let is_backend = node
        .strip_prefix("be")
        .is_some_and(|index| index.parse::<u8>().is_ok());
    (is_backend || matches!(node, "client" | "lb" | "router" | "wire")).then_some(node)
}

fn end_processes(namespace: &Namespace) -> Result<()> {
    let what = format!(
        "the end of the processes in network namespace {}",
        namespace.name()
    );
    // A process on its way out is in no namespace any more and yet has not ended: these tell that it has.
    let mut killed = Vec::new();
    wait_until(Duration::from_secs(5), &what, || {
        let processes = namespace.processes();
        for &process in &processes {
            // It may have ended since it was listed.
            if let Ok(process) = pidfd_open(process, PidfdFlags::empty()) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
                killed.push(process);
            }
        }
        killed.retain(|process| !has_ended(process));
        processes.is_empty() && killed.is_empty()
    })
    .map(drop)
}

/// Whether the process has ended, waited for or not: pidfd_open(2).
fn has_ended(process: &OwnedFd) -> bool {
    let mut wanted = [PollFd::new(process, PollFlags::IN)];
    poll(&mut wanted, Some(&Timespec::default())).is_ok_and(|ready| ready == 1)
}

fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_this_very_lab_are_touched() {
        assert_eq!(node("lb-be12", "lb"), Some("be12"));
        assert_eq!(node("lb-wire", "lb"), Some("wire"));
        assert_eq!(node("lb-demo-client", "lb"), None);
        assert_eq!(node("lb-demo-client", "lb-demo"), Some("client"));
        assert_eq!(node("lb-bench", "lb"), None);
    }
}
