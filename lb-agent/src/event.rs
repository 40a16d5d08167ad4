//! What can happen to the agent.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::{
    api::model::{Changed, Intent},
    health::probe::{self, Failure},
    neighbour::Network,
    operator::Key,
};

/// Everything that can happen to the agent.
pub enum Event {
    /// An operator wants something, and waits for the answer.
    Command {
        /// What.
        command: Command,
        /// Who, for the log.
        by: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Changed, Refusal>>,
    },
    /// A probe came back, and waits to be told when to ask again.
    Probe(Report),
    /// Next hops or links changed.
    Network(Network),
    /// A moment has come at which something may be due.
    Tick,
    /// Re-read the file (SIGHUP).
    Reload,
    /// End; the kernel goes on forwarding.
    Stop,
}

/// A probe that came back.
pub struct Report {
    /// Whose.
    pub key: Key,
    /// Which start of the probe this is from; an answer from before a change counts for nothing.
    pub start: u64,
    /// What it saw.
    pub result: Result<probe::Evidence, Failure>,
    /// Where the time until the next one goes.
    pub again: oneshot::Sender<Duration>,
}

/// A change that an operator wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Set a backend's weight: `N`, or `N%` of the file's.
    Weight(Key, String),
    /// Set a backend's intent.
    Intent(Key, Intent),
    /// Re-read the file.
    Reload,
    /// Remove program, links and maps, and end.
    Detach,
}

/// Why a command was not carried out: nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether a name in the command is unknown.
    pub unknown: bool,
    /// What is wrong and what to do.
    pub error: String,
}

impl Refusal {
    /// A name is unknown.
    pub fn unknown(error: String) -> Self {
        Self {
            unknown: true,
            error,
        }
    }

    /// Something else is wrong.
    pub fn wrong(error: impl std::fmt::Display) -> Self {
        Self {
            unknown: false,
            error: error.to_string(),
        }
    }
}
