//! What the API says, as types: the agent writes them, the command line and every other client read them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::health::Health;

/// What the operator wants of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// It may be given new flows.
    #[default]
    Ready,
    /// It keeps its flows and gets no new ones; it is still probed.
    Drain,
    /// As `Drain`, and it is not probed.
    Maint,
}

/// Which tier of a service's backends is given new flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The active backends.
    Active,
    /// The backups.
    Backup,
    /// None: new connections are refused.
    None,
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        })
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Backup => "backup",
            Self::None => "none",
        })
    }
}

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// Process id of the agent.
    pub pid: u32,
    /// File the configuration was read from.
    pub config: String,
    /// When the agent started, RFC 3339.
    pub started: String,
    /// Interfaces the program is attached to.
    pub interfaces: Vec<InterfaceStatus>,
    /// Services in the order of the file.
    pub services: Vec<ServiceStatus>,
    /// Packets by reason, of all services and of none, only those seen.
    pub reasons: BTreeMap<String, Count>,
    /// Rare events by name, all of them.
    pub events: BTreeMap<String, u64>,
    /// How full the flow table is.
    pub flow_table: FlowTableStatus,
}

/// One interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// `native` or `generic`.
    pub mode: String,
    /// Name of its driver, or of its kind where it is made of software.
    pub driver: String,
    /// Longest IP packet it takes, in bytes.
    pub mtu: u32,
    /// What it cannot do, a sentence each for people.
    pub lacks: Vec<String>,
}

/// Size and use of the flow table.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct FlowTableStatus {
    /// Flows it can hold.
    pub capacity: u64,
    /// Flows that are neither closed nor idle for too long.
    pub live: u64,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// One service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Where it listens, as in the file.
    pub listen: Vec<String>,
    /// Its scheduler, as in the file.
    pub scheduler: String,
    /// How it forwards, as in the file.
    pub forward: String,
    /// Which tier serves.
    pub serving: Tier,
    /// Flows that are neither closed nor idle for too long.
    pub flows: u64,
    /// Packets by reason, only those seen.
    pub reasons: BTreeMap<String, Count>,
    /// Backends in the order of the file.
    pub backends: Vec<BackendStatus>,
}

/// One backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackendStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Weight in force.
    pub weight: u16,
    /// Weight in the file.
    pub configured_weight: u16,
    /// Whether it is a backup.
    pub backup: bool,
    /// What the probes say; `unknown` where there are none or none has ended.
    pub health: Health,
    /// Since when, RFC 3339.
    pub health_since: String,
    /// What the operator says.
    pub intent: Intent,
    /// Share of new flows it is given now, 0.0 to 1.0.
    pub share: f64,
    /// Why it has that share, for people.
    pub why: String,
    /// Flows that are neither closed nor idle for too long.
    pub flows: u64,
    /// Flows it was given since its slot was made.
    pub new_flows: u64,
    /// Packets and bytes forwarded to it since its slot was made.
    pub forwarded: Count,
    /// MAC address of its next hop, if it has one.
    pub next_hop: Option<String>,
    /// Interface its packets leave by, if it has a next hop.
    pub interface: Option<String>,
}

/// `POST /v1/weight`: sets the weight of `backend` in `service`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightRequest {
    /// Service.
    pub service: String,
    /// Backend.
    pub backend: String,
    /// `N` (0 to 256) or `N%` of the weight in the file.
    pub weight: String,
}

/// `POST /v1/intent`: sets the intent of `backend` in `service`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IntentRequest {
    /// Service.
    pub service: String,
    /// Backend.
    pub backend: String,
    /// What is wanted of it.
    pub intent: Intent,
}

/// What a change did: the answer to every `POST`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// One line per value that changed; empty where everything was so already.
    pub changes: Vec<String>,
}

/// Every refusal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// What is wrong and what to do.
    pub error: String,
}

/// One flow, `GET /v1/flows[?service=S]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowStatus {
    /// Service.
    pub service: String,
    /// Backend.
    pub backend: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The client's address and port.
    pub client: String,
    /// The service's address and port.
    pub vip: String,
    /// The address and port that the backend sees as source, where it is translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The address and port that the backend sees as destination, where it is translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// `opening`, `open`, `closed`; of a translated flow also `client-closed` and `backend-closed`.
    pub state: String,
    /// Milliseconds since its last packet, to within a second.
    pub idle_ms: u64,
    /// Milliseconds since its first packet.
    pub age_ms: u64,
}

/// `GET /v1/explain?src=A:P&dst=A:P&protocol=tcp`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// What the program did with a first packet (TCP: SYN).
    pub first: Decision,
    /// What it did with a packet in mid-flow (TCP: ACK); the same as `first` for UDP.
    pub later: Decision,
}

/// What the loaded program decided for one packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `forward`, `pass`, `reset` or `drop`.
    pub action: String,
    /// Label of the reason.
    pub reason: String,
    /// The reason for people.
    pub help: String,
    /// Service, if one was found.
    pub service: Option<String>,
    /// Backend, if one was chosen.
    pub backend: Option<String>,
    /// Interface the packet would leave by, if it would be forwarded.
    pub interface: Option<String>,
    /// MAC address it would be sent to, if it would be forwarded.
    pub next_hop: Option<String>,
}
