//! What the maps should say: pure. The only place where health (what probes say) and intent (what the operator says)
//! meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use anyhow::{Context as _, Result};
use lb_common::{
    Address, Backend, BackendNote, Listener, ServiceNote, TCP, UDP, address,
    maps::{MAX_BACKENDS, MAX_RING_CHUNKS, MAX_SERVICES},
    note,
    service::CHUNK,
};

use crate::{
    api::model::{Intent, Tier},
    config::{self, Backups, Config, OnDown, Protocol},
    failover::{State, Usable},
    health::Health,
    neighbour::Hop,
    observed::{Live, Observed},
    operator::{Key, Operator},
    schedule::round_robin,
};

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
        let (view, weights) = backends(inputs, service, number, state, &mut numbers, &mut target)?;
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
                protocol: match listen.protocol {
                    Protocol::Tcp => TCP,
                    Protocol::Udp => UDP,
                },
                service: number,
                ..Listener::default()
            }));
        target.views.push(view);
    }
    retire(inputs, &mut target);
    Ok(target)
}

/// Slots one ring may have so that all services find room for two.
fn max_ring(services: usize) -> usize {
    let each = (MAX_RING_CHUNKS * CHUNK) as usize / (4 * services.max(1));
    each.clamp(CHUNK as usize, MAX_RING)
}

fn idle_ticks(inputs: &Inputs<'_>, service: &config::Service) -> (u32, u32) {
    let hz = u128::from(inputs.observed.control.hz);
    let ticks = |time: std::time::Duration| {
        u32::try_from(time.as_millis() * hz / 1000)
            .unwrap_or(u32::MAX / 2)
            .max(1)
    };
    (ticks(service.tcp_idle), ticks(service.udp_idle))
}

type Weights = Vec<(u16, u16)>;

fn backends(
    inputs: &Inputs<'_>,
    service: &config::Service,
    number: u32,
    state: &mut State,
    numbers: &mut Numbers<'_>,
    target: &mut Target,
) -> Result<(ServiceView, Weights)> {
    let mut views = Vec::with_capacity(service.backends.len());
    for backend in &service.backends {
        let key = Key::new(&service.name, &backend.name);
        let (index, record) = numbers.backend(&key, backend.address)?;
        let health = inputs.health.get(&key).copied().unwrap_or(Health::Unknown);
        let weight = inputs.operator.weight(&key, backend.weight);
        let intent = inputs.operator.intent(&key);
        let hop = hop(inputs, backend.address);
        let obstacle = obstacle(intent, weight, health, hop.as_ref().err());
        let record = with_hop(record, number, backend.address, hop.ok());
        let flags = Backend::USED | reachable(&record) | serves(service, health);
        let note = BackendNote {
            health: health as u8,
            reserved: [0; 7],
            service: note::name(&service.name),
            name: note::name(&backend.name),
        };
        target
            .backends
            .insert(index, (Backend { flags, ..record }, note));
        views.push(BackendView {
            number: index,
            key,
            weight,
            intent,
            health,
            share: 0.0,
            obstacle,
        });
    }
    let usable = |backup: bool| {
        views
            .iter()
            .zip(&service.backends)
            .any(|(view, b)| b.backup == backup && view.obstacle.is_none())
    };
    let usable = Usable {
        active: usable(false),
        backup: usable(true),
    };
    let tier = state.decide(service, usable, inputs.now_ms);
    stand_by(service, tier, &mut views);
    let weights = share(&mut views, target);
    let view = ServiceView {
        number,
        name: service.name.clone(),
        tier,
        backends: views,
    };
    Ok((view, weights))
}

fn obstacle(intent: Intent, weight: u16, health: Health, hop: Option<&String>) -> Option<Obstacle> {
    if intent != Intent::Ready {
        Some(Obstacle::Intent(intent))
    } else if weight == 0 {
        Some(Obstacle::Weight)
    } else if health == Health::Down {
        Some(Obstacle::Down)
    } else {
        hop.map(|why| Obstacle::NoHop(why.clone()))
    }
}

/// Gives those that are usable but not of the serving tier their obstacle.
fn stand_by(service: &config::Service, tier: Tier, views: &mut [BackendView]) {
    let mut backups = 0;
    for (view, backend) in views
        .iter_mut()
        .zip(&service.backends)
        .filter(|(view, _)| view.obstacle.is_none())
    {
        view.obstacle = match (tier, backend.backup) {
            (Tier::Active, true) => Some(Obstacle::Standby),
            (Tier::Backup, false) => Some(Obstacle::AwaitsFailback),
            (Tier::Backup, true) if service.backups == Backups::First && backups > 0 => {
                Some(Obstacle::SecondBackup)
            }
            _ => None,
        };
        backups += usize::from(backend.backup);
    }
}

/// Gives those without obstacle their share and the permission to accept.
fn share(views: &mut [BackendView], target: &mut Target) -> Weights {
    let total: u32 = views
        .iter()
        .filter(|view| view.obstacle.is_none())
        .map(|view| u32::from(view.weight))
        .sum();
    let mut weights = Vec::new();
    for view in views.iter_mut().filter(|view| view.obstacle.is_none()) {
        view.share = f64::from(view.weight) / f64::from(total.max(1));
        weights.push((view.number, view.weight));
        if let Some((record, _)) = target.backends.get_mut(&view.number) {
            record.flags |= Backend::ACCEPTS;
        }
    }
    weights
}

fn serves(service: &config::Service, health: Health) -> u8 {
    match (health, service.on_down) {
        (Health::Down, OnDown::Reset) => 0,
        _ => Backend::SERVES,
    }
}

fn reachable(record: &Backend) -> u8 {
    record.flags & Backend::REACHABLE
}

fn hop(inputs: &Inputs<'_>, address: IpAddr) -> Result<Hop, String> {
    match inputs.hops.get(&address) {
        Some(hop) => hop.clone(),
        None => Err("not resolved yet".into()),
    }
}

/// The record with the next hop; without one, the last that was known, not reachable.
fn with_hop(record: Backend, service: u32, ip: IpAddr, hop: Option<Hop>) -> Backend {
    let mut record = Backend {
        service,
        address: address::from_ip(ip),
        flags: 0,
        ..record
    };
    if let Some(hop) = hop {
        record.ifindex = hop.ifindex;
        record.ethernet = Backend::ethernet(hop.mac, hop.source);
        record.flags = Backend::REACHABLE;
    }
    record
}

/// Keeps what is no longer configured but has live flows: it serves them and gets no new ones.
fn retire(inputs: &Inputs<'_>, target: &mut Target) {
    for (number, (record, note)) in &inputs.observed.backends {
        let has_flows = inputs
            .live
            .is_none_or(|live| live.backends.contains_key(number));
        if target.backends.contains_key(number) || !has_flows {
            continue;
        }
        let hop = hop(inputs, address::to_ip(record.address)).ok();
        let mut kept = with_hop(*record, record.service, address::to_ip(record.address), hop);
        kept.flags |= Backend::USED | record.flags & Backend::SERVES;
        target.backends.insert(*number, (kept, *note));
        target.retiring = true;
    }
    let held: BTreeSet<u32> = target
        .backends
        .values()
        .map(|(record, _)| record.service)
        .collect();
    for (number, service) in &inputs.observed.services {
        if held.contains(number) && !target.services.contains_key(number) {
            let kept = TargetService {
                note: service.note,
                slots: Vec::new(),
                tcp_idle: service.record.tcp_idle,
                udp_idle: service.record.udp_idle,
            };
            target.services.insert(*number, kept);
        }
    }
    let listening: BTreeSet<(Address, u16, u8)> = target
        .listeners
        .iter()
        .map(|l| (l.address, l.port, l.protocol))
        .collect();
    for listener in &inputs.observed.listeners {
        let destination = (listener.address, listener.port, listener.protocol);
        let (address, port, protocol) = destination;
        let has_flows = inputs.live.is_none_or(|live| {
            live.destinations
                .contains(&(address, port, u32::from(protocol)))
        });
        if !listening.contains(&destination)
            && has_flows
            && target.services.contains_key(&listener.service)
        {
            target.listeners.push(Listener {
                flags: Listener::CLOSING,
                ..*listener
            });
            target.retiring = true;
        }
    }
}

/// Numbers of services and backends: those they have, else free ones.
struct Numbers<'a> {
    observed: &'a Observed,
    services: BTreeMap<&'a str, u32>,
    backends: BTreeMap<(&'a str, &'a str, Address), u16>,
    taken_services: BTreeSet<u32>,
    taken_backends: BTreeSet<u16>,
}

impl<'a> Numbers<'a> {
    fn new(inputs: &Inputs<'a>) -> Self {
        let observed = inputs.observed;
        Self {
            observed,
            services: observed
                .services
                .iter()
                .map(|(number, s)| (note::text(&s.note.name), *number))
                .collect(),
            backends: observed
                .backends
                .iter()
                .map(|(number, (record, note))| {
                    (
                        (
                            note::text(&note.service),
                            note::text(&note.name),
                            record.address,
                        ),
                        *number,
                    )
                })
                .collect(),
            taken_services: observed.services.keys().copied().collect(),
            taken_backends: observed.backends.keys().copied().collect(),
        }
    }

    fn service(&mut self, name: &str) -> Result<u32> {
        if let Some(number) = self.services.get(name) {
            return Ok(*number);
        }
        let number = (1..MAX_SERVICES)
            .find(|number| !self.taken_services.contains(number))
            .with_context(|| {
                format!("no service number is free for {name}: there are {MAX_SERVICES}")
            })?;
        self.taken_services.insert(number);
        Ok(number)
    }

    /// A backend that moved to another address is another backend: its flows stay where they are.
    fn backend(&mut self, key: &Key, ip: IpAddr) -> Result<(u16, Backend)> {
        let identity = (
            key.service.as_str(),
            key.backend.as_str(),
            address::from_ip(ip),
        );
        if let Some(number) = self.backends.get(&identity) {
            let record = self
                .observed
                .backends
                .get(number)
                .map(|(record, _)| *record)
                .unwrap_or_default();
            return Ok((*number, record));
        }
        let number = (0..MAX_BACKENDS)
            .filter_map(|number| u16::try_from(number).ok())
            .find(|number| !self.taken_backends.contains(number))
            .with_context(|| {
                format!("no backend number is free for {key}: there are {MAX_BACKENDS}")
            })?;
        self.taken_backends.insert(number);
        let former = self
            .observed
            .incarnations
            .get(&number)
            .copied()
            .unwrap_or(0);
        let incarnation = former.wrapping_add(1).max(1);
        Ok((
            number,
            Backend {
                incarnation,
                ..Backend::default()
            },
        ))
    }
}
