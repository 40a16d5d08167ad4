//! One service's backends: which tier serves, and who gets which share of it.

use std::net::IpAddr;

use anyhow::Result;
use lb_common::{Backend, BackendNote, address, note};

use super::{BackendView, Inputs, Obstacle, ServiceView, Target, numbers::Numbers};
use crate::{
    api::model::{Intent, Tier},
    config::{self, Backups, OnDown},
    failover::{State, Usable},
    health::Health,
    neighbour::Hop,
    operator::Key,
};

/// Backend numbers and weights of a ring.
pub type Weights = Vec<(u16, u16)>;

/// Decides about every backend of a service, and adds it to the target.
pub fn backends(
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

/// The next hop of a backend's address, or why there is none.
pub fn hop(inputs: &Inputs<'_>, address: IpAddr) -> Result<Hop, String> {
    match inputs.hops.get(&address) {
        Some(hop) => hop.clone(),
        None => Err("not resolved yet".into()),
    }
}

/// The record with the next hop; without one, the last that was known, not reachable.
pub fn with_hop(record: Backend, service: u32, ip: IpAddr, hop: Option<Hop>) -> Backend {
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
