//! A network at work: servers on every backend, the agent in front of them, and what it says of itself.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::{Context as _, Result, ensure};
use lb_agent::{
    api::model::{BackendStatus, Status},
    health::Health,
};
use lb_tests::lab::{Agent, Echo, Lab, Process, binary, wait_until};

use super::{
    ask::{self, EACH, Idle},
    web,
};

/// Backends of every network here, `be1` and `be2`.
pub const BACKENDS: u8 = 2;

/// What a service is probed by: a slow machine's pauses are no death.
const PROBE: &str = "probe = { type = \"tcp\", port = 80, interval = \"1s\", timeout = \"900ms\", rise = 1, fall = 10 }";

/// Everything of one check.
pub struct Scene {
    // In the order in which they have to end.
    /// The agent.
    pub agent: Agent,
    _servers: Vec<Process>,
    _echoes: Vec<Echo>,
    /// The network.
    pub lab: Lab,
}

impl Scene {
    /// Starts on every backend, under its node's name, a web server and an echo at the addresses that `at` gives for its
    /// number; then the agent with this configuration. Waits until every backend is up.
    pub fn start(lab: Lab, config: &str, at: impl Fn(u8) -> Result<Vec<IpAddr>>) -> Result<Self> {
        let (mut servers, mut echoes) = (Vec::new(), Vec::new());
        for number in 1..=BACKENDS {
            let node = format!("be{number}");
            servers.push(web::start(&lab, &node)?);
            let at: Vec<_> = at(number)?.into_iter().map(ask::echo).collect();
            echoes.push(Echo::start(&lab, &node, &node, &at)?);
        }
        let scene = Self {
            agent: Agent::start(&lab, &binary::lb()?, config)?,
            _servers: servers,
            _echoes: echoes,
            lab,
        };
        wait_until(ask::PATIENCE, "every backend to be up", || {
            scene.agent.status().is_ok_and(|status| all_up(&status))
        })
        .with_context(|| scene.agent.log())?;
        Ok(scene)
    }

    /// What every way of forwarding has to stand: every VIP is asked by TCP and by UDP, both backends answer as often, and
    /// a large request and its answer arrive as they were sent. Gives the number of packets that were forwarded.
    pub fn serves(&self, vips: &[IpAddr]) -> Result<u64> {
        let work = || {
            for vip in vips {
                ask::answers_alternate(&self.lab, *vip)?;
                ask::transfer(&self.lab, *vip).with_context(|| format!("a transfer to {vip}"))?;
            }
            let packets = self.counted()?;
            // A connection is at least SYN, ACK, question and FIN; a question by UDP is one packet.
            let least = u64::from(EACH) * vips.len() as u64 * 5;
            ensure!(
                packets >= least,
                "only {packets} packets were counted, of {least} or more"
            );
            Ok(packets)
        };
        work().with_context(|| self.story())
    }

    /// A connection to each VIP lives on, and others begin, while there is no agent; the next agent finds it all.
    pub fn outlives_its_agent(&mut self, vips: &[IpAddr]) -> Result<()> {
        let mut idle = Idle::open(&self.lab, vips)?;
        self.agent.kill9();
        idle.is_served(&self.lab, "while the agent is dead")?;
        self.agent.restart()?;
        idle.is_served(&self.lab, "when the agent is back")
            .with_context(|| self.story())
    }

    /// Ends it all.
    pub fn end(mut self) -> Result<()> {
        self.agent.stop()?;
        let Self { lab, .. } = self;
        lab.destroy()
    }

    /// What the agent counts and says of its backends, for one who wonders what went wrong.
    pub fn story(&self) -> String {
        let Ok(status) = self.agent.status() else {
            return self.agent.log();
        };
        let reasons = status.reasons.iter().filter(|(_, count)| count.packets > 0);
        let counts: Vec<_> = reasons
            .map(|(reason, count)| format!("{reason} {}", count.packets))
            .collect();
        let backends: Vec<_> = backends(&status)
            .map(|backend| format!("{} {}", backend.address, backend.why))
            .collect();
        format!(
            "the agent counts {}; {}",
            counts.join(", "),
            backends.join(", ")
        )
    }

    /// Packets forwarded to all backends, by a program in the driver.
    fn counted(&self) -> Result<u64> {
        let status = self.agent.status()?;
        for interface in &status.interfaces {
            ensure!(
                interface.mode == "native",
                "XDP is {} on {}",
                interface.mode,
                interface.name
            );
        }
        Ok(backends(&status)
            .map(|backend| backend.forwarded.packets)
            .sum())
    }
}

/// A `[[service]]` that listens on each VIP where a [`Scene`]'s servers do, has the backends `beN` at the addresses in
/// turn, and these lines of TOML.
pub fn service(name: &str, vips: &[IpAddr], lines: &str, backends: &[IpAddr]) -> String {
    let listen: Vec<_> = vips
        .iter()
        .flat_map(|vip| {
            let (web, echo) = (ask::web(*vip), ask::echo(*vip));
            [format!("{web}/tcp"), format!("{echo}/udp")]
        })
        .collect();
    let mut text =
        format!("[[service]]\nname = \"{name}\"\nlisten = {listen:?}\n{PROBE}\n{lines}\n");
    for (number, address) in (1..).zip(backends) {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[[service.backend]]\nname = \"be{number}\"\naddress = \"{address}\""
        );
    }
    text
}

/// The addresses of all backends in one family.
pub fn backends_of(lab: &Lab, v6: bool) -> Result<Vec<IpAddr>> {
    (1..=BACKENDS)
        .map(|number| {
            let own = lab.addresses(&format!("be{number}"))?;
            Ok(if v6 { own.v6.into() } else { own.v4.into() })
        })
        .collect()
}

/// Both addresses of `beN`.
pub fn own(lab: &Lab, number: u8) -> Result<Vec<IpAddr>> {
    let own = lab.addresses(&format!("be{number}"))?;
    Ok(vec![own.v4.into(), own.v6.into()])
}

fn backends(status: &Status) -> impl Iterator<Item = &BackendStatus> {
    status.services.iter().flat_map(|service| &service.backends)
}

fn all_up(status: &Status) -> bool {
    backends(status).all(|backend| backend.health == Health::Up)
}
