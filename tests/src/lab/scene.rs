//! A lab at work: web servers on every backend, the agent in front of them, and what it says of itself.

mod service;

use std::{collections::BTreeMap, io::Write as _, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use lb_agent::{
    api::model::{BackendStatus, Count, ServiceStatus, Status},
    health::Health,
};

pub use self::service::{PROBE, Service, web};
use super::{
    Agent, Exclusive, Lab, Layout, Nginx, agent, binary,
    client::traffic::{Target, Traffic},
    exclusive, layout, wait_until,
};

/// Everything of one end-to-end test; it goes with the value, and then the next test has its turn.
#[derive(Debug)]
pub struct Scene {
    // In the order in which they have to end.
    /// The agent.
    pub agent: Agent,
    webs: BTreeMap<u8, Nginx>,
    /// The network.
    pub lab: Lab,
    xdp: &'static str,
    probed: Vec<String>,
    _turn: Exclusive,
}

/// The addresses of the service `web`.
pub const WEB: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(layout::WEB_V4), 80),
    SocketAddr::new(std::net::IpAddr::V6(layout::WEB_V6), 80),
];

impl Scene {
    /// Waits for its turn, makes the network, starts a web server `web-N` on each `beN` and the agent with
    /// native XDP, and waits until every backend that is probed is up.
    ///
    /// # Errors
    /// Any of it fails.
    pub fn start(layout: Layout, services: &[Service]) -> Result<Self> {
        Self::start_with("native", layout, services)
    }

    /// As [`Scene::start`], with another value of `xdp`.
    ///
    /// # Errors
    /// As [`Scene::start`].
    pub fn start_with(xdp: &'static str, layout: Layout, services: &[Service]) -> Result<Self> {
        let mut scene = Self::prepare(xdp, layout, services)?;
        scene.agent.restart()?;
        scene.all_up()?;
        Ok(scene)
    }

    /// As [`Scene::start_with`], without starting the agent.
    ///
    /// # Errors
    /// As [`Scene::start`].
    pub fn prepare(xdp: &'static str, layout: Layout, services: &[Service]) -> Result<Self> {
        let turn = exclusive()?;
        let backends = layout.backends;
        let lab = Lab::with_layout("lb-e2e", layout)?;
        let mut webs = BTreeMap::new();
        for number in 1..=backends {
            webs.insert(number, nginx(&lab, number)?);
        }
        let config = agent::config(&lab, xdp, &service::toml(&lab, services)?);
        Ok(Self {
            agent: Agent::prepare(&lab, &binary::lb()?, &config)?,
            webs,
            lab,
            xdp,
            probed: services.iter().filter_map(Service::probed).collect(),
            _turn: turn,
        })
    }

    /// The web server of `beN`.
    ///
    /// # Errors
    /// It was killed.
    pub fn web(&mut self, number: u8) -> Result<&mut Nginx> {
        let web = self.webs.get_mut(&number);
        web.with_context(|| format!("no web server runs on be{number}"))
    }

    /// Kills the web server of `beN`, as `kill -9` does.
    pub fn kill_web(&mut self, number: u8) {
        self.webs.remove(&number);
    }

    /// Starts the web server of `beN` again.
    ///
    /// # Errors
    /// As [`Nginx::start`].
    pub fn start_web(&mut self, number: u8) -> Result<()> {
        self.webs.insert(number, nginx(&self.lab, number)?);
        Ok(())
    }

    /// The configuration with these services.
    ///
    /// # Errors
    /// A service names a backend that the lab does not have.
    pub fn config(&self, services: &[Service]) -> Result<String> {
        let services = service::toml(&self.lab, services)?;
        Ok(agent::config(&self.lab, self.xdp, &services))
    }

    /// Writes these services to the configuration file and has the agent re-read it; gives what it says.
    ///
    /// # Errors
    /// It refuses.
    pub fn reload(&self, services: &[Service]) -> Result<String> {
        self.agent.write_config(&self.config(services)?)?;
        self.agent.lb_ok(["reload"])
    }

    /// Steady new connections from the client to `web`, by both its addresses in turn.
    ///
    /// # Errors
    /// The client cannot be started.
    pub fn traffic(&self, per_second: u32) -> Result<Traffic> {
        let target = Target {
            service: "web",
            addresses: WEB.to_vec(),
            per_second,
            question: "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n",
        };
        Traffic::start(&self.lab.namespace("client"), vec![target])
    }

    /// What the agent says of a service.
    ///
    /// # Errors
    /// It does not answer, or does not know it.
    pub fn service(&self, name: &str) -> Result<ServiceStatus> {
        let status = self.agent.status()?;
        let mut services = status.services.into_iter();
        services
            .find(|service| service.name == name)
            .with_context(|| format!("no service {name}"))
    }

    /// What the agent says of `SERVICE/BACKEND`.
    ///
    /// # Errors
    /// As [`Scene::service`].
    pub fn backend(&self, name: &str) -> Result<BackendStatus> {
        find(&self.agent.status()?, name)
            .cloned()
            .with_context(|| format!("no backend {name}"))
    }

    /// Packets by reason, all services and none.
    ///
    /// # Errors
    /// The agent does not answer.
    pub fn packets(&self) -> Result<BTreeMap<String, u64>> {
        let reasons = self.agent.status()?.reasons;
        let packets = |(reason, Count { packets, .. }): (String, Count)| (reason, packets);
        Ok(reasons.into_iter().map(packets).collect())
    }

    /// Waits until the agent's status is as `check` wants it; gives the time that took.
    ///
    /// # Errors
    /// That does not come about within ten seconds; the error is the last status.
    pub fn until(&self, what: &str, check: impl Fn(&Status) -> bool) -> Result<Duration> {
        let mut last = None;
        let waited = wait_until(Duration::from_secs(10), what, || {
            last = self.agent.status().ok();
            last.as_ref().is_some_and(&check)
        });
        waited.with_context(|| match &last {
            Some(status) => backends(status)
                .map(|(name, backend)| format!("{name} is {}: {}", backend.health, backend.why))
                .collect::<Vec<_>>()
                .join("; "),
            None => "the agent does not answer".to_owned(),
        })
    }

    /// Waits until the probes say `health` of `SERVICE/BACKEND`; gives the time that took.
    ///
    /// # Errors
    /// As [`Scene::until`].
    pub fn until_health(&self, name: &str, health: Health) -> Result<Duration> {
        let what = format!("{name} to be {health}");
        self.until(&what, |status| {
            find(status, name).is_some_and(|backend| backend.health == health)
        })
    }

    /// Waits until every backend of the services that were probed at first is up.
    ///
    /// # Errors
    /// As [`Scene::until`].
    pub fn all_up(&self) -> Result<Duration> {
        let is_up = |backend: &BackendStatus| backend.health == Health::Up;
        self.until("every backend to be up", |status| {
            let services = status.services.iter();
            services
                .filter(|service| self.probed.contains(&service.name))
                .all(|service| service.backends.iter().all(is_up))
        })
    }

    /// Waits for the agent to write something that contains `words`.
    ///
    /// # Errors
    /// It does not within five seconds; the error is what it wrote.
    pub fn logged(&self, words: &str) -> Result<()> {
        let what = format!("the agent to log `{words}`");
        wait_until(Duration::from_secs(5), &what, || {
            self.agent.log().contains(words)
        })
        .map(drop)
        .with_context(|| self.agent.log())
    }

    /// Runs `ip ARGS` in the namespace of `node`; gives what it prints.
    ///
    /// # Errors
    /// It fails.
    pub fn ip(&self, node: &str, args: &str) -> Result<String> {
        let mut command = self.lab.command(node, "ip", args.split_whitespace());
        let output = command.output().context("starting ip")?;
        if !output.status.success() {
            bail!("ip {args}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Tells what a test has measured, past the test harness, which would keep it to itself.
pub fn tell(line: impl std::fmt::Display) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "    measured: {line}");
}

fn nginx(lab: &Lab, number: u8) -> Result<Nginx> {
    Nginx::start(lab, &format!("be{number}"), &format!("web-{number}"), 0)
}

fn backends(status: &Status) -> impl Iterator<Item = (String, &BackendStatus)> {
    status.services.iter().flat_map(|service| {
        let backends = service.backends.iter();
        backends.map(|backend| (format!("{}/{}", service.name, backend.name), backend))
    })
}

fn find<'a>(status: &'a Status, wanted: &str) -> Option<&'a BackendStatus> {
    backends(status).find_map(|(name, backend)| (name == wanted).then_some(backend))
}
