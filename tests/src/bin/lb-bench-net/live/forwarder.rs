//! A forwarder on one end of a cable, generator and receiver on the other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    programs::{Xdp, XdpMode},
};
use lb_tests::lab::{Agent, Cables, Lab, Layout, agent, binary};

use super::{
    cases::Kind,
    generator::{self, Arrived, Generator},
};
use crate::clients::nft;

/// A client, what forwards, and the cable between them; its frames come back by the cable they went.
pub struct Forwarder {
    /// What forwards.
    pub kind: Kind,
    generator: Generator,
    agent: Option<Agent>,
    _reflector: Option<Ebpf>,
    lab: Lab,
}

/// One of each kind.
pub fn all() -> Result<Vec<Forwarder>> {
    [Kind::Null, Kind::Lb, Kind::Nftables, Kind::Forwarding]
        .into_iter()
        .map(|kind| Forwarder::new(kind).with_context(|| format!("setting up {kind:?}")))
        .collect()
}

/// Flows that lb has room for: sixteen times what all cases have together. With four times as many, one in a million still
/// finds both its buckets full.
const ROOM: u32 = 4_194_304;
const SERVICES: &str = include_str!("live.toml");

impl Forwarder {
    fn new(kind: Kind) -> Result<Self> {
        let layout = Layout {
            cables: Cables::Plain,
            ip_forward: matches!(kind, Kind::Nftables | Kind::Forwarding),
            ..Layout::two_arm(1)
        };
        let lab = Lab::with_layout(&format!("lb-live-{kind:?}").to_lowercase(), layout)?;
        // What is sent to the backends comes back to the client, which is all of them.
        let more = |from: u8, to: u8| {
            (from..=to)
                .map(|host| format!("addr add 10.77.0.{host}/24 dev eth0"))
                .collect::<Vec<_>>()
        };
        lab.ip("client", &more(11, 12))?;
        lab.ip("lb", &more(21, 24))?;
        // A veth takes what is sent to it by XDP if it has a program or, as here those without one, GRO.
        lab.run("lb", "ethtool", ["-K", "eth0", "gro", "on"])?;
        let generator = Generator::new(&lab)?;
        let mut forwarder = Self {
            kind,
            generator,
            agent: None,
            _reflector: None,
            lab,
        };
        forwarder.set_up()?;
        Ok(forwarder)
    }

    fn set_up(&mut self) -> Result<()> {
        match self.kind {
            Kind::Null => self._reflector = Some(self.lab.in_namespace("lb", reflect)??),
            Kind::Lb => {
                let config = agent::config(&self.lab, "native", SERVICES);
                let roomy = config.replacen("[agent]", &format!("[agent]\nflows = {ROOM}"), 1);
                self.agent = Some(Agent::start(&self.lab, &binary::lb()?, &roomy)?);
            }
            Kind::Nftables => nft::balance(&self.lab, ["10.77.0.11", "10.77.0.12"])?,
            Kind::Forwarding => {}
        }
        Ok(())
    }

    /// Sends so many packets of so many flows, and says what came back and how long all of it took.
    pub fn send(&mut self, frame: &[u8], flows: u32, packets: u32) -> Result<(Arrived, Duration)> {
        self.generator.send(&self.lab, frame, flows, packets)
    }

    /// What lb counted, if it is lb.
    pub fn account(&self) -> String {
        let status = self.agent.as_ref().and_then(|agent| agent.status().ok());
        status.map_or_else(String::new, |status| {
            format!("; since its start lb counted {:?}", status.reasons)
        })
    }

    /// Packets that lb has counted as `reason`.
    pub fn counted(&self, reason: Option<&str>) -> Result<u64> {
        let (Some(reason), Some(agent)) = (reason, &self.agent) else {
            return Ok(0);
        };
        let reasons = agent.status()?.reasons;
        Ok(reasons.get(reason).map_or(0, |count| count.packets))
    }
}

fn reflect() -> Result<Ebpf> {
    let mut ebpf = generator::load()?;
    let program: &mut Xdp = generator::program(&mut ebpf, "lb_reflect")?;
    program.load()?;
    program.attach("eth0", XdpMode::Driver)?;
    Ok(ebpf)
}
