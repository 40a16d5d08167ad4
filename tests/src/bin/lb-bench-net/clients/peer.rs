//! What stands between clients and servers, each in a lab of its own.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use lb_tests::{
    cpu,
    lab::{Agent, Cables, Lab, Layout, Nginx, Process, agent, binary, client::fetch, wait_until},
};
use rustix::process::Pid;

use super::{
    nft, proxy,
    wrk::{self, Mode, Outcome},
};

/// What forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: the clients have cables to the servers.
    Nothing,
    /// lb, the servers answering the clients directly.
    Direct,
    /// lb, translating.
    Nat,
    /// nftables: DNAT to one of two servers in turn.
    Nftables,
    /// The kernel, by its routes; the clients name the servers themselves.
    Routed,
    /// HAProxy in TCP mode.
    Haproxy,
    /// nginx's stream module.
    NginxStream,
}

/// The CPU that servers run on.
const SERVERS: usize = 1;
/// Flows that lb has room for: a translated one takes two places, and a closed one ten seconds.
const ROOM: u32 = 1_048_576;

/// A network with its forwarder and its servers.
pub struct Peer {
    /// What forwards.
    pub kind: Kind,
    // In the order in which they have to end.
    _agent: Option<Agent>,
    _proxy: Option<Process>,
    _servers: [Nginx; 2],
    lab: Lab,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Direct,
        Self::Nat,
        Self::Nftables,
        Self::Routed,
        Self::Haproxy,
        Self::NginxStream,
    ];

    /// How it is called in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing between",
            Self::Direct => "lb direct return",
            Self::Nat => "lb NAT",
            Self::Nftables => "nftables DNAT",
            Self::Routed => "kernel forwarding",
            Self::Haproxy => "HAProxy, TCP mode",
            Self::NginxStream => "nginx stream",
        }
    }

    fn layout(self) -> Layout {
        let layout = Layout::two_arm(2);
        match self {
            Self::Nothing => Layout {
                cables: Cables::Plain,
                ..layout
            },
            Self::Direct => layout,
            Self::Nat => layout.ordinary(),
            Self::Nftables | Self::Routed | Self::Haproxy | Self::NginxStream => Layout {
                cables: Cables::Plain,
                ip_forward: matches!(self, Self::Nftables | Self::Routed),
                ..layout.ordinary()
            },
        }
    }
}

impl Peer {
    /// Makes the network and starts everything in it.
    pub fn new(kind: Kind) -> Result<Self> {
        let prefix = format!("lb-net-{kind:?}").to_lowercase();
        let lab = Lab::with_layout(&prefix, kind.layout())?;
        let server = |number| -> Result<Nginx> {
            let (node, name) = (format!("be{number}"), format!("web-{number}"));
            let mut server = Nginx::start(&lab, &node, &name, 0)?;
            let pid = Pid::from_raw(server.process().pid() as i32);
            cpu::keep_on(pid.context("a server has no process id")?, SERVERS)?;
            Ok(server)
        };
        let servers = [server(1)?, server(2)?];
        addresses(&lab, kind)?;
        let mut peer = Self {
            kind,
            _agent: None,
            _proxy: None,
            _servers: servers,
            lab,
        };
        peer.start()?;
        Ok(peer)
    }

    fn start(&mut self) -> Result<()> {
        let Self { kind, lab, .. } = self;
        match kind {
            Kind::Direct | Kind::Nat => {
                let forward = match kind {
                    Kind::Direct => "forward = \"dsr\"".to_owned(),
                    _ => format!("forward = \"nat\"\nnat_source = {:?}", sources()),
                };
                let config = agent::config(lab, "native", &services(&forward));
                let roomy = config.replacen("[agent]", &format!("[agent]\nflows = {ROOM}"), 1);
                self._agent = Some(Agent::start(lab, &binary::lb()?, &roomy)?);
            }
            Kind::Nftables => nft::balance(lab, ["10.77.1.2", "10.77.2.2"])?,
            Kind::Nothing | Kind::Routed => {}
            Kind::Haproxy => self._proxy = Some(proxy::haproxy(lab)?),
            Kind::NginxStream => self._proxy = Some(proxy::nginx(lab)?),
        }
        Ok(())
    }

    /// Waits until both servers answer through it.
    pub fn answers(&self) -> Result<()> {
        let mut said = Vec::new();
        let what = format!("both servers to answer through {}", self.kind.name());
        wait_until(Duration::from_secs(10), &what, || {
            said = self.ask();
            ["web-1", "web-2"].iter().all(|server| {
                said.iter()
                    .any(|said| matches!(said, Ok(name) if name.trim() == *server))
            })
        })
        .with_context(|| format!("they said {said:?}"))?;
        Ok(())
    }

    /// What four requests are answered with.
    fn ask(&self) -> Vec<Result<String>> {
        let targets = self.targets();
        let twice = targets.iter().chain(&targets);
        twice
            .map(|target| fetch(&self.lab, &format!("http://{target}/")))
            .collect()
    }

    /// Puts it under the load of two clients at once, which have an address each.
    pub fn load(&self, mode: Mode, seconds: u32) -> Result<Outcome> {
        let outcomes = thread::scope(|scope| {
            let clients = self
                .targets()
                .map(|target| scope.spawn(move || wrk::run(&self.lab, target, mode, seconds)));
            clients.map(|client| {
                client
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        });
        let [first, second] = outcomes;
        Ok(first?.and(&second?))
    }

    /// Whom the two clients ask.
    fn targets(&self) -> [&'static str; 2] {
        match self.kind {
            Kind::Nothing | Kind::Routed => ["10.77.1.2", "10.77.2.2"],
            _ => ["192.0.2.10", "192.0.2.20"],
        }
    }
}

/// The second client's address and the routes to and from it, and settings for many short connections.
fn addresses(lab: &Lab, kind: Kind) -> Result<()> {
    let client = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        lab.ip("client", &lines)
    };
    client(&["addr add 10.77.0.101/24 dev eth0"])?;
    client(&match kind {
        Kind::Nothing => [
            "route replace 10.77.1.2 via 10.77.101.2 src 10.77.0.1",
            "route replace 10.77.2.2 via 10.77.102.2 src 10.77.0.101",
        ],
        Kind::Routed => [
            "route add 10.77.1.2 via 10.77.0.2 src 10.77.0.1",
            "route add 10.77.2.2 via 10.77.0.2 src 10.77.0.101",
        ],
        _ => [
            "route replace 192.0.2.10 via 10.77.0.2 src 10.77.0.1",
            "route replace 192.0.2.20 via 10.77.0.2 src 10.77.0.101",
        ],
    })?;
    for number in [1, 2] {
        let line = match kind {
            // Past the balancer.
            Kind::Nothing | Kind::Direct => format!(
                "route add 10.77.0.101 via 10.77.{}.1 src 10.77.{number}.2",
                100 + number
            ),
            // Answers have to pass it.
            _ => format!("route add default via 10.77.{number}.1"),
        };
        lab.ip(&format!("be{number}"), &[line])?;
    }
    if kind == Kind::Nat {
        let lines: Vec<_> = sources()
            .iter()
            .map(|source| format!("addr add {source}/32 dev lo"))
            .collect();
        lab.ip("lb", &lines)?;
    }
    // lb translates to ports that the host does not use itself, proxies use those.
    let proxies = matches!(kind, Kind::Haproxy | Kind::NginxStream);
    for node in ["client"].into_iter().chain(proxies.then_some("lb")) {
        let settings = [
            "net.ipv4.ip_local_port_range=1024 65535",
            "net.ipv4.tcp_tw_reuse=1",
        ];
        lab.run(node, "sysctl", ["-qw"].into_iter().chain(settings))?;
    }
    Ok(())
}

/// Addresses that lb translates to: each gives some 30,000 ports for each server.
fn sources() -> Vec<String> {
    (1..=8).map(|host| format!("10.78.0.{host}")).collect()
}

fn services(forward: &str) -> String {
    format!(
        "[[service]]
name = \"web\"
listen = [\"192.0.2.10:80/tcp\", \"192.0.2.20:80/tcp\"]
{forward}
[[service.backend]]
name = \"web-1\"
address = \"10.77.1.2\"
[[service.backend]]
name = \"web-2\"
address = \"10.77.2.2\"
"
    )
}
