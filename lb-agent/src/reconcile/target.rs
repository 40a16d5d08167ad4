//! What the maps should say: pure. The only place where health (what probes say) and intent (what the operator says)
//! meet.

mod admission;
mod forward;
mod listen;
mod numbers;
mod retire;
mod serve;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use anyhow::Result;
use lb_common::{
    Address, Backend, BackendNote, Bound, ICMP, Link, Listener, Service, ServiceNote,
    link::MAX_LINKS, maps::MAX_RING_CHUNKS, note, service::CHUNK,
};

pub use retire::leftovers;

use crate::{
    api::model::{Intent, Tier},
    config::{self, Config, Forward, NatSource, Reply, Scheduler},
    failover::State,
    health::Health,
    neighbour::{self, Hop},
    observed::{Live, Observed},
    operator::{Key, Operator},
};
use numbers::Numbers;
use serve::Room;

/// Most slots of one ring: shares are exact while the reduced weights of a service add up to no more.
const MAX_RING: usize = 4096;
/// Most slots of one Maglev table: at least a hundred for each of 655 backends.
const MAX_TABLE: usize = 65_537;

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
    /// The links that frames may come by.
    pub links: &'a [neighbour::Link],
    /// The ports that translated flows may have where the configuration does not say.
    pub nat_ports: RangeInclusive<u16>,
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
    /// Which clients it lets in; empty: all.
    pub bounds: Vec<Bound>,
    /// Its record but for what says where ring and bounds lie.
    pub record: Service,
}

/// What the maps should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// Services by number.
    pub services: BTreeMap<u32, TargetService>,
    /// Backends by number.
    pub backends: BTreeMap<u16, (Backend, BackendNote)>,
    /// Listeners; those found by a pattern have port 0.
    pub listeners: Vec<Listener>,
    /// Source addresses by number.
    pub sources: BTreeMap<u16, Address>,
    /// Links by number.
    pub links: Vec<Link>,
    /// Lowest and highest port that translated flows are given.
    pub nat_ports: [u16; 2],
    /// Lowest and highest port at which answers of backends come in.
    pub reply_ports: [u16; 2],
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
    let room = room(inputs.config.services.len());
    for service in &inputs.config.services {
        let number = numbers.service(&service.name)?;
        let state = failover.entry(service.name.clone()).or_default();
        let (view, slots) = serve::backends(
            inputs,
            service,
            number,
            state,
            &mut numbers,
            &mut target,
            room,
        )?;
        let note = ServiceNote {
            on_backup: u8::from(state.on_backup),
            reserved: [0; 7],
            name: note::name(&service.name),
        };
        let mtus = view
            .backends
            .iter()
            .filter_map(|backend| Some(target.backends.get(&backend.number)?.0.mtu))
            .filter(|mtu| *mtu > 0);
        let service_target = TargetService {
            note,
            slots,
            bounds: admission::bounds(service)?,
            record: record(inputs, service, forward::mss(service, mtus)),
        };
        target.services.insert(number, service_target);
        target.listeners.extend(listen::listeners(service, number));
        target.views.push(view);
    }
    one_per_vip(inputs, &mut target.listeners);
    target.links = links(inputs);
    target.sources = numbers.into_sources();
    (target.nat_ports, target.reply_ports) = ports(inputs);
    retire::retire(inputs, &mut target);
    Ok(target)
}

/// Slots a service may have so that all services find room for two rings.
fn room(services: usize) -> Room {
    let each = (MAX_RING_CHUNKS * CHUNK) as usize / (4 * services.max(1));
    Room {
        ring: each.clamp(CHUNK as usize, MAX_RING),
        table: each.clamp(CHUNK as usize, MAX_TABLE),
    }
}

/// A service's record, but for its sides.
fn record(inputs: &Inputs<'_>, service: &config::Service, mss: u16) -> Service {
    let hz = inputs.observed.control.hz;
    // A second longer than configured: a flow's last packet may be later than `seen` says by that much, and a flow that is
    // busy must not be taken for an idle one.
    let ticks = |time: std::time::Duration| {
        let idle = time.as_millis() * u128::from(hz) / 1000;
        u32::try_from(idle + u128::from(hz))
            .unwrap_or(u32::MAX / 2)
            .max(1)
    };
    let flag = |set, flag| if set { flag } else { 0 };
    Service {
        flags: Service::USED
            | flag(service.one_packet, Service::ONE_PACKET)
            | flag(service.echo, Service::ECHO)
            | flag(service.reply == Reply::Route, Service::BY_ROUTE),
        tcp_idle: ticks(service.tcp_idle),
        udp_idle: ticks(service.udp_idle),
        scheduler: match service.scheduler {
            Scheduler::RoundRobin => Service::ROUND_ROBIN,
            Scheduler::Maglev => Service::MAGLEV,
            Scheduler::SourceHash => Service::SOURCE_HASH,
            Scheduler::LeastConnections => Service::LEAST_CONNECTIONS,
            Scheduler::Random2 => Service::RANDOM_TWO,
        },
        prefix: [service.prefix_ipv4, service.prefix_ipv6],
        mss,
        tcp_opening: ticks(service.tcp_opening),
        tcp_closing: ticks(service.tcp_closing),
        tcp_closed: ticks(service.tcp_closed),
        affinity: service.sticky.map_or(0, ticks),
        ..Service::default()
    }
}

/// Keeps one listener for each VIP as such, where services share it: that of one whose echo requests are not to be
/// answered, if there is one.
fn one_per_vip(inputs: &Inputs<'_>, listeners: &mut Vec<Listener>) {
    let silent: BTreeSet<&str> = inputs
        .config
        .services
        .iter()
        .filter(|service| !service.echo)
        .map(|service| service.name.as_str())
        .collect();
    let names: BTreeMap<u32, &str> = inputs
        .config
        .services
        .iter()
        .filter_map(|service| {
            let listener = listeners.iter().find(|l| {
                l.protocol & !Listener::RANGE != ICMP
                    && listen::listeners(service, l.service).contains(l)
            })?;
            Some((listener.service, service.name.as_str()))
        })
        .collect();
    let is_silent = |l: &Listener| {
        names
            .get(&l.service)
            .is_some_and(|name| silent.contains(name))
    };
    listeners.sort_by_key(|l| !is_silent(l));
    let mut seen = BTreeSet::new();
    listeners
        .retain(|l| l.protocol & !Listener::RANGE != ICMP || seen.insert((l.address, l.prefix)));
}

/// The links with the numbers they have; new ones behind. One that has gone keeps its number: flows may hold it.
fn links(inputs: &Inputs<'_>) -> Vec<Link> {
    let mut links = inputs.observed.links.clone();
    for found in inputs.links {
        let record = Link {
            ifindex: found.ifindex,
            tags: found.tags,
            mac: found.mac,
            mtu: found.mtu,
            egress: found.egress,
            reserved: [0; 12],
        };
        let is_same = |held: &Link| held.ifindex == found.ifindex && held.tags == found.tags;
        match links.iter().position(is_same) {
            Some(number) => links[number] = record,
            None if links.len() < MAX_LINKS as usize => links.push(record),
            None => tracing::warn!(
                "{}: more than {MAX_LINKS} links: answers to clients there leave by route",
                found.name
            ),
        }
    }
    links
}

/// Ports for translated flows, and those at which answers come in: none where nothing is translated.
fn ports(inputs: &Inputs<'_>) -> ([u16; 2], [u16; 2]) {
    const NONE: [u16; 2] = [1, 0];
    let configured = inputs.config.agent.nat_ports.as_ref();
    let range = configured.unwrap_or(&inputs.nat_ports);
    let own = [*range.start(), *range.end()];
    let nat: Vec<&NatSource> = inputs
        .config
        .services
        .iter()
        .filter(|service| service.forward == Forward::Nat)
        .map(|service| &service.nat_source)
        .collect();
    let former = inputs.observed.control.reply_ports;
    let wanted = if nat.contains(&&NatSource::Client) {
        [0, u16::MAX]
    } else if nat.is_empty() {
        NONE
    } else {
        own
    };
    // Flows of a former configuration may still be answered.
    let reply = if former[0] > former[1] {
        wanted
    } else if wanted == NONE {
        former
    } else {
        [former[0].min(wanted[0]), former[1].max(wanted[1])]
    };
    (own, reply)
}
