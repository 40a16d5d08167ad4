//! The configuration file: TOML in HAProxy's words, checked whole before anything acts on it.
//!
//! [`Config::load`] finds every mistake of a file in one reading; each [`ConfigError`] names file, line, key and the
//! mend. What a checked value may be is stated at its field, with the default and its reason.

mod address;
mod check;
mod error;
mod forward;
mod listen;
mod network;
mod ports;
mod probe;
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

use ipnet::IpNet;

pub use error::{ConfigError, ConfigErrors, Excerpt};
pub use forward::{Forward, Mss, NatSource, Reply, TunnelSource};
pub use listen::{Listen, ListenError, Protocol};
pub use probe::{Probe, ProbeKind};

/// A whole file, free of mistakes that the file alone can show.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[agent]`
    pub agent: Agent,
    /// `[[interface]]`, at least one, each named once.
    pub interfaces: Vec<Interface>,
    /// `[[service]]`, each named once; no two have ports of the same network and protocol in common.
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
    /// What the choices of schedulers that hash depend on, 1 to 256 characters: balancers with the same seed and
    /// configuration choose alike. Default none: random, and kept with the pinned maps.
    pub seed: Option<String>,
    /// Source ports of translated flows, within 1024..=65535 and at least 256. Default none: the larger part of these
    /// outside the host's `ip_local_port_range`.
    pub nat_ports: Option<RangeInclusive<u16>>,
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
    /// Who gets a new flow. Default [`Scheduler::RoundRobin`], as in HAProxy.
    pub scheduler: Scheduler,
    /// How a packet reaches its backend. Default [`Forward::Dsr`]: answers do not pass the balancer.
    pub forward: Forward,
    /// NAT: which address its backends see as the client's. Default [`NatSource::Auto`].
    pub nat_source: NatSource,
    /// NAT: how answers find their way to the client. Default [`Reply::LastHop`].
    pub reply: Reply,
    /// Tunnels: the outer source address. Default [`TunnelSource::Auto`].
    pub tunnel_source: TunnelSource,
    /// Tunnels: time to live or hop limit of the outer header, 1..=255. Default 64, as RFC 1700 recommends.
    pub tunnel_hops: u8,
    /// GUE: the UDP port of the tunnels' ends, 1..=65535. Default 6080, which IANA has assigned to it.
    pub gue_port: u16,
    /// GUE: 1 where the IP packet follows the UDP header at once, 0 where a header of 4 bytes comes between. Default 1:
    /// every byte less is a byte for the packet.
    pub gue_variant: u8,
    /// NAT and tunnels: longest IP packet that the way to a backend takes, in bytes, 576..=65535. Default none: the
    /// route's or else the interface's.
    pub mtu: Option<u16>,
    /// Largest TCP segment that SYNs may announce. Default none: SYNs stay as they are.
    pub mss: Option<Mss>,
    /// Whether echo requests to its VIPs are answered. Default true: operators ask whether a VIP lives by ping.
    pub echo: bool,
    /// UDP: every datagram is scheduled by itself. Default false: a conversation stays with its backend.
    pub one_packet: bool,
    /// How long after its last new flow a client is sent to the same backend, 1s..=7days. Default none: each flow is a
    /// choice of its own.
    pub sticky: Option<Duration>,
    /// Leading bits of an IPv4 client's address that stand for it in `sticky` and [`Scheduler::SourceHash`], 1..=32.
    /// Default 32: an address is a client.
    pub prefix_ipv4: u8,
    /// The same of an IPv6 client's address, 1..=128. Default 128.
    pub prefix_ipv6: u8,
    /// Clients that are let in; where it is not empty, no others are. The most specific prefix of `allow` and `deny`
    /// that holds a client decides. Default empty.
    pub allow: Vec<IpNet>,
    /// Clients that are not let in. None of its prefixes is in `allow`. Default empty.
    pub deny: Vec<IpNet>,
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
    /// How long a TCP flow is remembered of which only SYNs were seen, 1s..=1day. Default 60s, as in Linux's
    /// connection tracking: longer than the pause between two SYNs of a client that repeats them.
    pub tcp_opening: Duration,
    /// How long a TCP flow is remembered that one side has closed, 1s..=1day. Default 2m, as in Linux's connection
    /// tracking.
    pub tcp_closing: Duration,
    /// How long a TCP flow is remembered that is over, 1s..=1h. Default 10s: enough for the last segment to be repeated.
    pub tcp_closed: Duration,
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
    /// A table that the flow's hash is looked up in: the same flow finds the same backend, and few flows move when
    /// backends come and go.
    Maglev,
    /// The backend with the fewest flows for its weight.
    LeastConnections,
    /// Of two drawn at random the one with fewer flows for its weight.
    Random2,
    /// As [`Scheduler::Maglev`], by the client's address alone.
    SourceHash,
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
    /// NAT: the port it listens on. Default none: the port that the client asked for.
    pub port: Option<u16>,
    /// Its share of new flows among the service's weights, 0..=256. Default 1. 0 drains it.
    pub weight: u16,
    /// Serves only while no active backend can. Default false.
    pub backup: bool,
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
            seed: None,
            nat_ports: None,
        }
    }
}
