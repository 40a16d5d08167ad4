//! The present state, with the counters.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lb_common::Reason;

use super::{
    Reader,
    model::{
        BackendStatus, Count, FlowTableStatus, Intent, InterfaceStatus, ServiceStatus, Status,
    },
};
use crate::{
    config::{self, Config},
    dataplane::{Dataplane as _, kernel::Kernel},
    health::Health,
    neighbour::{Nic, mac},
    observed::{Live, live},
    reconcile::target::{BackendView, Obstacle, ServiceView},
    snapshot::{Evidence, Snapshot},
};

/// Reads counters and flows, and puts them beside the published state.
///
/// # Errors
/// Where a map cannot be read.
pub fn status(reader: &Reader) -> Result<Status> {
    let snapshot = reader.snapshot.borrow().clone();
    let dataplane = &*reader.dataplane;
    let config = snapshot
        .config
        .as_ref()
        .context("the agent has not started yet")?;
    let live = live(dataplane, dataplane.now()?);
    let mut reasons = dataplane.counts(0)?;
    let mut services = Vec::new();
    for view in &snapshot.services {
        let Some(configured) = config
            .services
            .iter()
            .find(|service| service.name == view.name)
        else {
            continue;
        };
        let counts = dataplane.counts(view.number)?;
        for (reason, count) in &counts {
            let sum = reasons.entry(*reason).or_default();
            sum.packets += count.packets;
            sum.bytes += count.bytes;
        }
        services.push(service(
            &snapshot,
            configured,
            view,
            labelled(&counts),
            &live,
            dataplane,
        )?);
    }
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        config: snapshot.path.clone(),
        started: snapshot.started.to_string(),
        interfaces: interfaces(&snapshot, config),
        services,
        reasons: labelled(&reasons),
        events: dataplane
            .events()?
            .into_iter()
            .map(|(event, count)| (event.label().into(), count))
            .collect(),
        flow_table: FlowTableStatus {
            capacity: dataplane.flow_capacity(),
            live: live.flows,
        },
    })
}

fn labelled(counts: &BTreeMap<Reason, Count>) -> BTreeMap<String, Count> {
    counts
        .iter()
        .map(|(reason, count)| (reason.label().into(), *count))
        .collect()
}

fn interfaces(snapshot: &Snapshot, config: &Config) -> Vec<InterfaceStatus> {
    snapshot
        .interfaces
        .iter()
        .filter(|held| {
            config
                .interfaces
                .iter()
                .any(|interface| interface.name == held.name)
        })
        .map(|held| {
            let nic = held.nic.as_ref();
            InterfaceStatus {
                name: held.name.clone(),
                ifindex: held.ifindex,
                mode: nic.map_or_else(String::new, |nic| nic.mode.clone()),
                driver: nic.map_or_else(String::new, |nic| nic.driver.clone()),
                mtu: nic.map_or(0, |nic| nic.mtu),
                lacks: nic.map_or_else(Vec::new, Nic::lacks),
            }
        })
        .collect()
}

fn service(
    snapshot: &Snapshot,
    configured: &config::Service,
    view: &ServiceView,
    reasons: BTreeMap<String, Count>,
    live: &Live,
    dataplane: &Kernel,
) -> Result<ServiceStatus> {
    let mut backends = Vec::new();
    for (backend, seen) in configured.backends.iter().zip(&view.backends) {
        backends.push(self::backend(
            snapshot,
            backend,
            configured.probe.is_some(),
            seen,
            live,
            dataplane,
        )?);
    }
    Ok(ServiceStatus {
        name: view.name.clone(),
        listen: configured.listen.iter().map(ToString::to_string).collect(),
        scheduler: configured.scheduler.to_string(),
        forward: configured.forward.to_string(),
        serving: view.tier,
        flows: backends.iter().map(|backend| backend.flows).sum(),
        reasons,
        backends,
    })
}

fn backend(
    snapshot: &Snapshot,
    configured: &config::Backend,
    probed: bool,
    view: &BackendView,
    live: &Live,
    dataplane: &Kernel,
) -> Result<BackendStatus> {
    let count = dataplane.backend_count(view.number)?;
    let evidence = snapshot.evidence.get(&view.key);
    let hop = snapshot
        .hops
        .get(&configured.address)
        .and_then(|hop| hop.as_ref().ok());
    Ok(BackendStatus {
        name: configured.name.clone(),
        address: configured.address.to_string(),
        weight: view.weight,
        configured_weight: configured.weight,
        backup: configured.backup,
        health: view.health,
        health_since: evidence
            .map_or(snapshot.started, |evidence| evidence.since)
            .to_string(),
        intent: view.intent,
        share: view.share,
        why: why(view, probed, evidence),
        flows: live.backends.get(&view.number).copied().unwrap_or(0),
        new_flows: count.new_flows,
        forwarded: count.forwarded,
        next_hop: hop.map(|hop| mac(hop.mac)),
        interface: hop.map(|hop| hop.interface.clone()),
    })
}

/// Why a backend has the share it has.
fn why(view: &BackendView, probed: bool, evidence: Option<&Evidence>) -> String {
    let saw = evidence.filter(|evidence| !evidence.saw.is_empty());
    match &view.obstacle {
        None => match saw.filter(|evidence| evidence.streak.0 > 0) {
            Some(evidence) => format!(
                "serves, but {} ({} of {})",
                evidence.saw, evidence.streak.0, evidence.streak.1
            ),
            None if !probed => "serves, without a probe".into(),
            None if view.health == Health::Unknown => "serves, not probed yet".into(),
            None => "serves".into(),
        },
        Some(Obstacle::Intent(Intent::Maint)) => "maintenance, by the operator".into(),
        Some(Obstacle::Intent(_)) => "draining, by the operator".into(),
        Some(Obstacle::Weight) => "weight 0".into(),
        Some(Obstacle::Down) => match saw {
            Some(evidence) => format!(
                "down ({}) since {}",
                evidence.saw,
                evidence.since.strftime("%H:%M:%SZ")
            ),
            None => "down, as the earlier agent saw it".into(),
        },
        Some(Obstacle::NoHop(why)) => format!("no next hop: {why}"),
        Some(Obstacle::Standby) => "backup: active backends serve".into(),
        Some(Obstacle::SecondBackup) => "backup: an earlier backup serves".into(),
        Some(Obstacle::AwaitsFailback) => "usable, but the backup serves until failback".into(),
    }
}
