//! The configuration file: TOML in HAProxy's words, checked whole before anything acts on it.
//!
//! [`Config::load`] finds every mistake of a file in one reading; each [`ConfigError`] names file, line, key and the
//! mend. What a checked value may be is stated at its field, with the default and its reason.

mod address;
mod check;
mod error;
mod listen;
mod raw;
#[cfg(test)]
mod tests;
mod value;
mod words;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{ConfigError, ConfigErrors, Excerpt};
pub use listen::{Listen, ListenError, Protocol};

/// A whole file, free of mistakes that the file alone can show.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[agent]`
    pub agent: Agent,
    /// `[[interface]]`, at least one, each named once.
    pub interfaces: Vec<Interface>,
    /// `[[service]]`, each named once; no two share a listener.
    pub services: Vec<Service>,
}

/// The daemon itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Unix socket of the API. Default `/run/lb/lb.sock`.
    pub api: PathBuf,
    /// Directory of the pinned link and maps, on a bpffs. Default `/sys/fs/bpf/lb`.
    pub pin_dir: PathBuf,
    /// File that keeps what operators changed at run time over restarts. Default `/var/lib/lb/state.json`.
    pub state: PathBuf,
    /// TCP address of `/metrics`. Default none: the Unix socket serves it, and a port is opened only on request.
    pub metrics: Option<SocketAddr>,
    /// Flows the flow table can hold, 64..=16,777,216. Default 65,536.
    pub flows: u32,
    /// Log rare packet events (aya-log). Default false: logging costs the verifier 2,300 instructions a line.
    pub packet_log: bool,
}

/// A network interface whose packets are balanced.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Its name on this host, such as `eth0`.
    pub name: String,
    /// Where XDP runs. Default [`XdpMode::Auto`].
    pub xdp: XdpMode,
}

/// Where on an interface the XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver where it can, else generic with a warning.
    Auto,
    /// In the driver, or not at all.
    Native,
    /// After the kernel has made an skb: slower, works everywhere.
    Generic,
}

/// Listeners and the backends that share their flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Unique in the file; 1 to 63 of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// Destinations it answers for, in the file's order; at least one.
    pub listen: Vec<Listen>,
    /// Who gets a new flow.
    pub scheduler: Scheduler,
    /// How a packet reaches its backend.
    pub forward: Forward,
    /// How backends are asked whether they live. None: they are never probed and always usable.
    pub probe: Option<Probe>,
    /// What becomes of the flows of a backend that goes down. Default [`OnDown::Reset`]: a client that hangs until its
    /// own timeout is what users complain about most.
    pub on_down: OnDown,
    /// Which backups serve when no active backend can. Default [`Backups::First`], as in HAProxy.
    pub backups: Backups,
    /// Who gives the service back to a returning active backend. Default [`Failback::Auto`], as in HAProxy.
    pub failback: Failback,
    /// How long an active backend must have been back before it is given the service, 0s..=1day. Default 0s.
    pub failback_delay: Duration,
    /// Idle time after which a SYN on a TCP flow's addresses and ports is a new choice, 1s..=7days. Default 1h.
    pub tcp_idle: Duration,
    /// Idle time after which a UDP flow has ended, 1s..=1day. Default 30s.
    pub udp_idle: Duration,
    /// In the file's order; at least one that is not a backup.
    pub backends: Vec<Backend>,
}

/// How new flows are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Smooth weighted round robin: weights 100 and 50 give 1 2 1 repeating.
    RoundRobin,
}

/// How packets are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// Only the MAC addresses; the backend holds the VIP and answers the client directly.
    ///
    /// The frame would reach a next hop of either family, but a backend answers for a VIP only with that family
    /// configured. A service that listens in one family therefore needs backends addressed in that family; one that
    /// listens in both may use either, for a dual-stack server is one backend.
    Dsr,
}

/// What becomes of established flows when their backend goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDown {
    /// Their next packet is answered with a TCP reset; UDP flows move.
    Reset,
    /// They stay: right where probes flap more often than servers die.
    Keep,
}

/// Which backups serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backups {
    /// The first usable one by the file's order.
    First,
    /// All usable ones, by weight.
    All,
}

/// Who gives a service back from its backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// The agent, `failback_delay` after an active backend has become usable.
    Auto,
    /// The operator.
    Manual,
}

/// A server that does a service's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Unique in its service; 1 to 63 of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// Its own address, by which its next hop is found and it is probed; never a VIP.
    pub address: IpAddr,
    /// Its share of new flows among the service's weights, 0..=256. Default 1. 0 drains it.
    pub weight: u16,
    /// Serves only while no active backend can. Default false.
    pub backup: bool,
}

/// How a backend is asked whether it lives. Times are of HAProxy's `inter`, `fastinter`, `downinter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Port asked on the backend. Default: the port of the service's first listener.
    pub port: u16,
    /// Time between probes of a settled backend, 10ms..=1h. Default 2s.
    pub interval: Duration,
    /// Time between probes while results speak against the current health, 10ms..=`interval`.
    /// Default a quarter of `interval` but at least 50ms, so that a transition is decided within one interval.
    pub fast_interval: Duration,
    /// Time between probes of a settled Down backend, 10ms..=1h. Default `interval`.
    pub down_interval: Duration,
    /// Time for the whole of one probe, 10ms..=`interval`. Default `interval`, but at most 1s: on a network where load
    /// balancing makes sense a healthy server answers in a fraction of it.
    pub timeout: Duration,
    /// Consecutive passes that take a backend up, 1..=100. Default 2.
    pub rise: u32,
    /// Consecutive failures that take a backend down, 1..=100. Default 3.
    pub fall: u32,
}

/// What a probe asks and which answer passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A TCP connection that opens.
    Tcp,
    /// `GET path` over HTTP/1.1, answered with one of the status codes.
    Http {
        /// Path and query. Default `/`.
        path: String,
        /// `Host` header. Default none: the backend's address.
        host: Option<String>,
        /// Status codes that pass. Default 200..=399.
        status: Vec<RangeInclusive<u16>>,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// Every mistake of the file, in its order; or the one reason why it cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(ConfigErrors::unreadable(&file, &error)),
        }
    }

    /// Checks `text`; messages call it `file`.
    ///
    /// # Errors
    /// Every mistake of the text, in its order.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        check::document(text, file)
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            api: "/run/lb/lb.sock".into(),
            pin_dir: "/sys/fs/bpf/lb".into(),
            state: "/var/lib/lb/state.json".into(),
            metrics: None,
            flows: 65_536,
            packet_log: false,
        }
    }
}
