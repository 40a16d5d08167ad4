//! Everything that is on the stage: the network, the servers, the agent and the client.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_agent::{
    api::model::{BackendStatus, Status},
    health::Health,
};
use lb_tests::lab::{Agent, Lab, Layout, Process, agent, layout};

use crate::traffic::{Target, Traffic};

/// The demo's lab, and everything in it; it goes with the value.
#[derive(Debug)]
pub struct Stage {
    // In the order in which they have to end.
    traffic: Option<Traffic>,
    agent: Agent,
    nodes: [Node; 2],
    lab: Lab,
    lb: PathBuf,
}

const SERVICES: &str = include_str!("services.toml");

/// Connections per second to `web`.
pub const WEB_PER_SECOND: u32 = 100;
/// Connections per second to `db`.
pub const DB_PER_SECOND: u32 = 20;

impl Stage {
    /// Builds the network and starts servers and agent; the client comes when [`Stage::start_traffic`] is called.
    pub fn set(lb: &Path) -> Result<Self> {
        let layout = Layout {
            patience: Duration::ZERO,
            ..Layout::one_arm(2)
        };
        let lab = Lab::with_layout("lb-demo", layout)?;
        let nodes = [Node::start(&lab, 1)?, Node::start(&lab, 2)?];
        let config = agent::config(&lab, "auto", SERVICES);
        let agent = Agent::start(&lab, lb, &config)?;
        Ok(Self {
            traffic: None,
            agent,
            nodes,
            lab,
            lb: lb.to_owned(),
        })
    }

    /// Sends the client off.
    pub fn start_traffic(&mut self) -> Result<()> {
        let targets = vec![
            Target {
                service: "web",
                addresses: at(80, layout::WEB_V4, layout::WEB_V6).to_vec(),
                per_second: WEB_PER_SECOND,
                question: "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n",
            },
            Target {
                service: "db",
                addresses: at(5432, layout::DB_V4, layout::DB_V6).to_vec(),
                per_second: DB_PER_SECOND,
                question: "who\n",
            },
        ];
        self.traffic = Some(Traffic::start(&self.lab.namespace("client"), targets)?);
        Ok(())
    }

    /// The client's account.
    pub fn traffic(&self) -> Result<&Traffic> {
        self.traffic.as_ref().context("the client has not started")
    }

    /// The agent.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// A node's servers, by its number from 1.
    pub fn node(&mut self, number: usize) -> Result<&mut Node> {
        let index = number.checked_sub(1);
        index
            .and_then(|index| self.nodes.get_mut(index))
            .with_context(|| format!("there is no node {number}"))
    }

    /// Starts the servers of node `number` again.
    pub fn start_servers(&mut self, number: u8) -> Result<()> {
        let node = Node::start(&self.lab, number)?;
        *self.node(number.into())? = node;
        Ok(())
    }

    /// How a person would type `lb ARGS` in another terminal.
    pub fn typed(&self, args: &str) -> String {
        let socket = self.agent.socket().display();
        format!("sudo {} --api {socket} {args}", self.lb.display())
    }

    /// The file that stands for the client's namespace.
    pub fn client_namespace(&self) -> PathBuf {
        self.lab.namespace("client").path()
    }

    /// Ends everything and removes it.
    pub fn strike(self) -> Result<()> {
        let Self {
            traffic,
            agent,
            nodes,
            lab,
            lb: _,
        } = self;
        drop((traffic, agent, nodes));
        lab.destroy()
    }
}

/// One backend node and its two servers.
#[derive(Debug)]
pub struct Node {
    servers: Vec<Process>,
}

impl Node {
    fn start(lab: &Lab, number: u8) -> Result<Self> {
        let this = std::env::current_exe().context("finding this program")?;
        let start = |name: String, port: u16, more: &[&str]| {
            let listen = format!("[::]:{port}");
            let mut args = vec!["serve", "--name", &name, "--listen", &listen];
            args.extend(more);
            let command = lab.command(&format!("be{number}"), &this, args);
            Process::start(command, &lab.run_dir().join(format!("{name}.log")))
        };
        Ok(Self {
            servers: vec![
                start(format!("web-{number}"), 80, &[])?,
                start(format!("db-{number}"), 5432, &["--line"])?,
            ],
        })
    }

    /// Whether any of its servers runs.
    pub fn is_running(&mut self) -> bool {
        self.servers.iter_mut().any(Process::is_running)
    }

    /// Their process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Process::pid).collect()
    }

    /// Kills its servers.
    pub fn stop_servers(&mut self) {
        for server in &mut self.servers {
            server.kill();
        }
    }
}

/// The backend `SERVICE/BACKEND` in `status`.
pub fn backend<'a>(status: &'a Status, name: &str) -> Option<&'a BackendStatus> {
    let (service, backend) = name.split_once('/')?;
    let service = status.services.iter().find(|one| one.name == service)?;
    service.backends.iter().find(|one| one.name == backend)
}

/// Whether each of `backends` has this health.
pub fn all_are(status: &Status, health: Health, backends: &[&str]) -> bool {
    backends
        .iter()
        .all(|name| backend(status, name).is_some_and(|backend| backend.health == health))
}

fn at(port: u16, v4: impl Into<IpAddr>, v6: impl Into<IpAddr>) -> [SocketAddr; 2] {
    [
        SocketAddr::new(v4.into(), port),
        SocketAddr::new(v6.into(), port),
    ]
}

#[cfg(test)]
mod tests {
    use lb_agent::config::Config;

    use super::*;

    #[test]
    fn the_agent_takes_the_services_and_their_backends_are_in_the_lab() {
        let file = format!("[[interface]]\nname = \"eth0\"\n{SERVICES}");
        let config = Config::parse(&file, "lb.toml").unwrap();
        let layout = Layout::one_arm(2);
        for service in config.services {
            let addresses: Vec<_> = service.backends.iter().map(|one| one.address).collect();
            let nodes = ["be1", "be2"].map(|node| IpAddr::from(layout.addresses(node).unwrap().v4));
            assert_eq!(addresses, nodes, "{}", service.name);
        }
    }
}
