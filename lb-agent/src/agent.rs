//! The daemon: one loop over events. A failed probe's whole life is on this page.

mod commands;
mod interfaces;
mod probes;
mod start;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lb_common::address;
use tokio::{
    sync::{mpsc, watch},
    task::block_in_place,
};

pub use start::run;

use crate::{
    config::Config,
    dataplane::{Dataplane as _, kernel::Kernel},
    event::{Command, Event},
    exhaustion::Exhaustion,
    failover::State,
    health::{Health, Transition, probe::Failure},
    loads,
    lock::Lock,
    neighbour::Network,
    observed::{self, Live, Observed},
    operator::{Key, Operator},
    reconcile::{
        apply::apply,
        plan::plan,
        target::{Inputs, Target, leftovers, target},
    },
    snapshot::Snapshot,
};
use interfaces::Interfaces;
use probes::Probes;

/// Time between ticks: how late a delayed failback or the end of a retired backend may be noticed.
const TICK: Duration = Duration::from_millis(500);

/// The agent's state.
pub struct Agent {
    config: Config,
    path: PathBuf,
    operator: Operator,
    probes: Probes,
    network: Network,
    failover: BTreeMap<String, State>,
    exhaustion: Exhaustion,
    target: Target,
    dataplane: Arc<Kernel>,
    interfaces: Interfaces,
    nat_ports: RangeInclusive<u16>,
    addresses: watch::Sender<BTreeSet<IpAddr>>,
    doubts: mpsc::Sender<IpAddr>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    started: (Instant, jiff::Timestamp),
    _pins: Lock,
}

impl Agent {
    async fn serve(&mut self, mut events: mpsc::Receiver<Event>) -> Result<()> {
        while let Some(event) = events.recv().await {
            match event {
                Event::Command {
                    command: Command::Detach,
                    by,
                    reply,
                } => {
                    let removed = self.detach(&by);
                    let gone = removed.is_ok();
                    let _ = reply.send(removed);
                    if gone {
                        return Ok(());
                    }
                }
                Event::Command { command, by, reply } => {
                    let _ = reply.send(self.command(command, &by).await);
                }
                Event::Probe(report) => {
                    if let Err(Failure::Silent { address, .. }) = &report.result {
                        // Where so many are waiting that this one does not fit, it is asked after the next probe.
                        let _ = self.doubts.try_send(address.ip());
                    }
                    if let Some((key, transition)) = self.probes.observe(report) {
                        self.health_changed(&key, transition);
                    }
                }
                Event::Network(network) => {
                    self.learn(network);
                    self.reconcile_or_log();
                }
                Event::Tick => self.tick().await,
                Event::Reload => {
                    if let Err(refusal) = self.command(Command::Reload, "SIGHUP").await {
                        tracing::error!("reload: {}", refusal.error);
                    }
                }
                Event::Stop => {
                    tracing::info!(
                        "stopping; the XDP program goes on forwarding (`lb detach` removes it)"
                    );
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes in next hops; an address that was not wanted yet when they were looked up keeps what is known of it.
    fn learn(&mut self, network: Network) {
        let former = std::mem::replace(&mut self.network, network);
        let wanted = self.addresses.borrow();
        for (ip, hop) in former
            .hops
            .into_iter()
            .filter(|(ip, _)| wanted.contains(ip))
        {
            self.network.hops.entry(ip).or_insert(hop);
        }
    }

    fn health_changed(&mut self, key: &Key, transition: Transition) {
        let saw = self
            .probes
            .evidence(key)
            .map(|evidence| evidence.saw.clone())
            .unwrap_or_default();
        match transition.to {
            Health::Down => tracing::warn!("{key}: {transition}: {saw}"),
            Health::Up | Health::Unknown => tracing::info!("{key}: {transition}: {saw}"),
        }
        self.reconcile_or_log();
    }

    /// Looks whether a delayed failback is due, a retired backend has no flows left, or an interface was made anew;
    /// counts flows for the schedulers that ask; lets readers see what the probes saw meanwhile.
    async fn tick(&mut self) {
        let problems = self.interfaces.follow(&self.dataplane, &self.config);
        for problem in problems.await {
            tracing::error!("{problem:#}");
        }
        if let Err(error) = loads::correct(&*self.dataplane, &self.config) {
            tracing::error!("cannot count flows: {error:#}");
        }
        let now = self.now_ms();
        let views = &self.target.views;
        if let Err(error) = self.exhaustion.tell(&*self.dataplane, views, now) {
            tracing::error!("cannot read the counters: {error:#}");
        }
        let failback_due = self.config.services.iter().any(|service| {
            let state = self.failover.get(&service.name);
            state
                .and_then(|state| state.due_ms(service))
                .is_some_and(|due| due <= now)
        });
        if failback_due || self.target.retiring {
            self.reconcile_or_log();
        } else {
            self.publish();
        }
    }

    fn reconcile_or_log(&mut self) {
        if let Err(error) = self.reconcile() {
            tracing::error!("the maps stay as they are: {error:#}");
        }
    }

    /// Makes the maps say what configuration, operator, probes and neighbours together mean.
    fn reconcile(&mut self) -> Result<()> {
        let mut failover = self.failover.clone();
        let target = self.target_of(&self.config, &self.operator, &mut failover)?;
        self.realise(target, failover)
    }

    fn target_of(
        &self,
        config: &Config,
        operator: &Operator,
        failover: &mut BTreeMap<String, State>,
    ) -> Result<(Observed, Target)> {
        let observed = observed::observe(&*self.dataplane);
        // The flow table is large: it is searched only where something waits for its flows to end.
        let live = if leftovers(&observed, config) {
            observed::live(&*self.dataplane, self.dataplane.now()?)
        } else {
            Live::default()
        };
        let health = self.probes.health();
        let inputs = Inputs {
            config,
            operator,
            health: &health,
            hops: &self.network.hops,
            links: &self.network.links,
            nat_ports: self.nat_ports.clone(),
            observed: &observed,
            live: Some(&live),
            now_ms: self.now_ms(),
        };
        let target = target(&inputs, failover)?;
        Ok((observed, target))
    }

    fn realise(
        &mut self,
        (observed, target): (Observed, Target),
        failover: BTreeMap<String, State>,
    ) -> Result<()> {
        let actions = plan(&observed, &target)?;
        // A grace waits for other CPUs: not a place for the reactor.
        block_in_place(|| apply(&*self.dataplane, &actions))
            .context("the plan was not completed")?;
        self.tell_changes(&target);
        self.failover = failover;
        self.addresses.send_if_modified(|addresses| {
            let wanted = wanted_addresses(&self.config, &target);
            let differs = *addresses != wanted;
            *addresses = wanted;
            differs
        });
        self.target = target;
        self.publish();
        Ok(())
    }

    /// One line for every service whose serving tier changes.
    fn tell_changes(&self, target: &Target) {
        for view in &target.views {
            let before = self
                .target
                .views
                .iter()
                .find(|former| former.name == view.name);
            if before.is_some_and(|former| former.tier != view.tier) {
                tracing::warn!("{}: {} serves now", view.name, view.tier);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets readers see the present state.
    fn publish(&self) {
        let evidence = self
            .target
            .views
            .iter()
            .flat_map(|view| &view.backends)
            .filter_map(|backend| {
                Some((
                    backend.key.clone(),
                    self.probes.evidence(&backend.key)?.clone(),
                ))
            })
            .collect();
        let snapshot = Snapshot {
            config: Some(self.config.clone()),
            path: self.path.display().to_string(),
            started: self.started.1,
            interfaces: self.interfaces.held(),
            services: self.target.views.clone(),
            evidence,
            hops: self.network.hops.clone(),
        };
        self.snapshot.send_replace(Arc::new(snapshot));
    }
}

/// Addresses whose next hops are needed: configured backends', and those that keep flows.
fn wanted_addresses(config: &Config, target: &Target) -> BTreeSet<IpAddr> {
    let configured = config
        .services
        .iter()
        .flat_map(|service| service.backends.iter().map(|b| b.address));
    let kept = target
        .backends
        .values()
        .map(|(record, _)| address::to_ip(record.address));
    configured.chain(kept).collect()
}
