//! What the maps should say: pure. The only place where health (what probes say) and intent (what the operator says)
//! meet.

mod numbers;
mod retire;
mod serve;

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Result;
use lb_common::{
    Backend, BackendNote, Listener, ServiceNote, TCP, UDP, address, maps::MAX_RING_CHUNKS, note,
    service::CHUNK,
};

pub use retire::leftovers;

use crate::{
    api::model::{Intent, Tier},
    config::{self, Config, Protocol},
    failover::State,
    health::Health,
    neighbour::Hop,
    observed::{Live, Observed},
    operator::{Key, Operator},
    schedule::round_robin,
};
use numbers::Numbers;

/// Most slots of one ring: shares are exact while the reduced weights of a service add up to no more.
const MAX_RING: usize = 4096;

/// Everything a target is made of.
pub struct Inputs<'a> {
    /// The file.
    pub config: &'a Config,
    /// What the operator changed.
    pub operator: &'a Operator,
    /// What the probes say.
    pub health: &'a BTreeMap<Key, Health>,
    /// Next hops by backend address; the reason where there is none.
    pub hops: &'a BTreeMap<IpAddr, Result<Hop, String>>,
    /// What is in the maps.
    pub observed: &'a Observed,
    /// Which backends and listeners live flows use; none: nobody looked, so all may.
    pub live: Option<&'a Live>,
    /// The current time in milliseconds.
    pub now_ms: u64,
}

/// One service as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetService {
    /// Who holds the number.
    pub note: ServiceNote,
    /// The slots of its ring.
    pub slots: Vec<u16>,
    /// Ticks after which an idle TCP flow is stale.
    pub tcp_idle: u32,
    /// Ticks after which an idle UDP flow has ended.
    pub udp_idle: u32,
}

/// What the maps should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// Services by number.
    pub services: BTreeMap<u32, TargetService>,
    /// Backends by number.
    pub backends: BTreeMap<u16, (Backend, BackendNote)>,
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// Configured services in the file's order, for people.
    pub views: Vec<ServiceView>,
    /// Whether something stays only until its last flow ends.
    pub retiring: bool,
}

/// A configured service, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceView {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Which tier serves.
    pub tier: Tier,
    /// Its backends in the file's order.
    pub backends: Vec<BackendView>,
}

/// A configured backend, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendView {
    /// Its number.
    pub number: u16,
    /// Its names.
    pub key: Key,
    /// Weight in force.
    pub weight: u16,
    /// What the operator wants.
    pub intent: Intent,
    /// What the probes say.
    pub health: Health,
    /// Share of new flows.
    pub share: f64,
    /// Why it gets none, or nothing.
    pub obstacle: Option<Obstacle>,
}

/// Why a backend gets no new flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The operator wants none.
    Intent(Intent),
    /// Weight 0.
    Weight,
    /// The probes say so.
    Down,
    /// It has no next hop, because of this.
    NoHop(String),
    /// It is a backup, and active backends serve.
    Standby,
    /// It is a backup, and an earlier one serves.
    SecondBackup,
    /// It is active, and the backups serve until failback.
    AwaitsFailback,
}

/// Makes the target. `failover` is each service's memory.
///
/// # Errors
/// Where a table is too small.
pub fn target(inputs: &Inputs<'_>, failover: &mut BTreeMap<String, State>) -> Result<Target> {
    let mut target = Target::default();
    let mut numbers = Numbers::new(inputs);
    failover.retain(|name, _| {
        inputs
            .config
            .services
            .iter()
            .any(|service| service.name == *name)
    });
    for service in &inputs.config.services {
        let number = numbers.service(&service.name)?;
        let state = failover.entry(service.name.clone()).or_default();
        let (view, weights) =
            serve::backends(inputs, service, number, state, &mut numbers, &mut target)?;
        let note = ServiceNote {
            on_backup: u8::from(state.on_backup),
            reserved: [0; 7],
            name: note::name(&service.name),
        };
        let slots = round_robin::ring(&weights, max_ring(inputs.config.services.len()));
        let (tcp_idle, udp_idle) = idle_ticks(inputs, service);
        target.services.insert(
            number,
            TargetService {
                note,
                slots,
                tcp_idle,
                udp_idle,
            },
        );
        target
            .listeners
            .extend(service.listen.iter().map(|listen| Listener {
                address: address::from_ip(listen.address.ip()),
                port: listen.address.port().to_be(),
                protocol: protocol_number(listen.protocol),
                service: number,
                ..Listener::default()
            }));
        target.views.push(view);
    }
    retire::retire(inputs, &mut target);
    Ok(target)
}

/// Slots one ring may have so that all services find room for two.
fn max_ring(services: usize) -> usize {
    let each = (MAX_RING_CHUNKS * CHUNK) as usize / (4 * services.max(1));
    each.clamp(CHUNK as usize, MAX_RING)
}

/// One step longer than configured: a flow's last packet may be later than `seen` says by that much, and a flow that
/// is busy must not be taken for an idle one.
fn idle_ticks(inputs: &Inputs<'_>, service: &config::Service) -> (u32, u32) {
    let control = &inputs.observed.control;
    let ticks = |time: std::time::Duration| {
        let idle = time.as_millis() * u128::from(control.hz) / 1000;
        u32::try_from(idle + u128::from(control.seen_step))
            .unwrap_or(u32::MAX / 2)
            .max(1)
    };
    (ticks(service.tcp_idle), ticks(service.udp_idle))
}

fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
    }
}
