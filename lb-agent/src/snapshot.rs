//! What readers see of the agent: published whole, never waited for.

use std::collections::BTreeMap;

use crate::{
    config::Config,
    health::Health,
    neighbour::{Hops, Nic},
    operator::Key,
    reconcile::target::ServiceView,
};

/// What was seen of one backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Health it led to.
    pub health: Health,
    /// Since when.
    pub since: jiff::Timestamp,
    /// What the last probe saw.
    pub saw: String,
    /// Consecutive outcomes against the health, and how many would change it.
    pub streak: (u32, u32),
}

impl Evidence {
    /// Nothing was seen since now.
    pub fn nothing(health: Health) -> Self {
        Self {
            health,
            since: jiff::Timestamp::now(),
            saw: String::new(),
            streak: (0, 0),
        }
    }
}

/// One interface the program is on.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// What the kernel says of it; none until it was asked.
    pub nic: Option<Nic>,
}

/// The agent's state at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The configuration in force; none before the first.
    pub config: Option<Config>,
    /// The file it came from.
    pub path: String,
    /// When the agent started.
    pub started: jiff::Timestamp,
    /// Interfaces.
    pub interfaces: Vec<Held>,
    /// Services in the file's order.
    pub services: Vec<ServiceView>,
    /// What the probes saw.
    pub evidence: BTreeMap<Key, Evidence>,
    /// Next hops.
    pub hops: Hops,
}
