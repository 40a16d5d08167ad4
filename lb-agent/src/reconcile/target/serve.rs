//! One service's backends: which tier serves, and who gets which share of it.

use anyhow::Result;
use lb_common::{Backend, BackendNote, address, note};

use super::{
    BackendView, Inputs, Obstacle, ServiceView, Target,
    forward::{self, hop, with_hop},
    numbers::Numbers,
};
use crate::{
    api::model::{Intent, Tier},
    config::{self, Backups, OnDown, Scheduler},
    failover::{State, Usable},
    health::Health,
    operator::Key,
    schedule::{
        maglev::{self, Member},
        round_robin,
    },
};

/// Slots that one service may have.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of a ring that is read in order.
    pub ring: usize,
    /// Of a table that is read by hash.
    pub table: usize,
}

/// Decides about every backend of a service, adds it to the target, and gives the slots of the service's ring.
pub fn backends(
    inputs: &Inputs<'_>,
    service: &config::Service,
    number: u32,
    state: &mut State,
    numbers: &mut Numbers<'_>,
    target: &mut Target,
    most: Room,
) -> Result<(ServiceView, Vec<u16>)> {
    let mut views = Vec::with_capacity(service.backends.len());
    for backend in &service.backends {
        let key = Key::new(&service.name, &backend.name);
        let (kind, port) = (forward::kind(service), forward::port(service, backend));
        let (index, record) = numbers.backend(&key, backend.address, kind, port)?;
        let health = inputs.health.get(&key).copied().unwrap_or(Health::Unknown);
        let weight = inputs.operator.weight(&key, backend.weight);
        let intent = inputs.operator.intent(&key);
        let mut hop = hop(inputs, backend.address);
        if let Ok(way) = &hop
            && let Some(why) = forward::unfit(inputs, service, way)
        {
            hop = Err(why);
        }
        let mut record = Backend {
            service: u16::try_from(number)?,
            address: address::from_ip(backend.address),
            forward: kind,
            port,
            hops: service.tunnel_hops,
            ..record
        };
        if let Ok(way) = &hop {
            record.mtu = service.mtu.unwrap_or(way.mtu);
            match forward::ends(service, backend.address, way, numbers)? {
                Ok(ends) => record.ends = ends,
                Err(why) => hop = Err(why),
            }
        }
        let obstacle = obstacle(intent, weight, health, hop.as_ref().err());
        let record = with_hop(record, hop.as_ref().ok());
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
    share(&mut views, target);
    let slots = slots(inputs, service, tier, &views, most);
    let view = ServiceView {
        number,
        name: service.name.clone(),
        tier,
        backends: views,
    };
    Ok((view, slots))
}

/// The ring of the serving tier. `most` is how many slots there is room for.
fn slots(
    inputs: &Inputs<'_>,
    service: &config::Service,
    tier: Tier,
    views: &[BackendView],
    most: Room,
) -> Vec<u16> {
    let serving: Vec<(u16, u16)> = views
        .iter()
        .filter(|view| view.obstacle.is_none())
        .map(|view| (view.number, view.weight))
        .collect();
    match service.scheduler {
        Scheduler::RoundRobin | Scheduler::Random2 => round_robin::ring(&serving, most.ring),
        Scheduler::LeastConnections => serving.into_iter().flat_map(<[u16; 2]>::from).collect(),
        Scheduler::Maglev | Scheduler::SourceHash => {
            let seed = inputs.observed.control.flow_seed;
            // Who is down, drained or set to 0 keeps its slots in mind: when it is back, just those move.
            let members: Vec<Member> = views
                .iter()
                .zip(&service.backends)
                .filter(|(_, backend)| backend.backup == (tier == Tier::Backup))
                .map(|(view, backend)| Member {
                    identity: maglev::identity(seed, &service.name, &backend.name),
                    number: view.number,
                    weight: if view.weight > 0 {
                        view.weight
                    } else {
                        backend.weight
                    },
                    usable: view.obstacle.is_none(),
                })
                .collect();
            maglev::table(&members, maglev::size(members.len(), most.table))
        }
    }
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
fn share(views: &mut [BackendView], target: &mut Target) {
    let total: u32 = views
        .iter()
        .filter(|view| view.obstacle.is_none())
        .map(|view| u32::from(view.weight))
        .sum();
    for view in views.iter_mut().filter(|view| view.obstacle.is_none()) {
        view.share = f64::from(view.weight) / f64::from(total.max(1));
        if let Some((record, _)) = target.backends.get_mut(&view.number) {
            record.flags |= Backend::ACCEPTS;
        }
    }
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
