//! From nothing, or from what an earlier agent left, to serving.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lb_common::note;
use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use super::{Agent, TICK, interfaces::Interfaces, probes::Probes, wanted_addresses};
use crate::{
    api,
    config::Config,
    dataplane::{
        Dataplane as _, bpffs,
        kernel::{Found, Kernel, Loaded, Options, PacketLog},
        pins,
    },
    event::Event,
    exhaustion::Exhaustion,
    failover::State,
    health::Health,
    lock::Lock,
    neighbour::{Network, Resolver, local_ports},
    observed::{self, Observed},
    operator::{Key, Operator},
    reconcile::target::Target,
    schedule::maglev,
    snapshot::Snapshot,
};

/// How long a start or a reload waits for next hops before it serves with those it has.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Events that may wait for the loop.
const QUEUE: usize = 1024;

/// Runs the agent of the file at `path` until it is told to stop.
///
/// # Errors
/// Where it cannot start. What an earlier agent left goes on forwarding.
pub async fn run(path: &Path) -> Result<()> {
    let config = Config::load(path)?;
    let operator = Operator::load(&config.agent.state)?;
    let listener = api::socket::bind(&config.agent.api).await?;
    let socket = config.agent.api.clone();
    let ended = start(path, config, operator, listener).await;
    api::socket::remove(&socket);
    ended
}

/// From the bound socket to the loop, and the loop.
async fn start(
    path: &Path,
    config: Config,
    mut operator: Operator,
    listener: UnixListener,
) -> Result<()> {
    let metrics = match config.agent.metrics {
        Some(address) => Some(api::bind_metrics(address).await?),
        None => None,
    };
    let interfaces = Interfaces::claim(&config)?;
    let frames = interfaces.frames(&config).await?;
    bpffs::ensure(&config.agent.pin_dir)?;
    let pins_lock = Lock::pins(&config.agent.pin_dir)?;
    let Loaded {
        kernel,
        found,
        packet_log: log,
    } = Kernel::load(Options {
        pin_dir: &config.agent.pin_dir,
        frames,
        flows: config.agent.flows,
        packet_log: config.agent.packet_log,
        seed: config.agent.seed.as_deref().map(seed),
    })?;
    let dataplane = Arc::new(kernel);
    let observed = observed::observe(&*dataplane);
    if found == Found::Maps {
        tracing::info!(
            "found maps with {} services, {} backends, {} live flows",
            observed.services.len(),
            observed.backends.len(),
            observed::live(&*dataplane, dataplane.now()?).flows
        );
    }
    for dropped in operator.settle(&config) {
        tracing::info!("{dropped}");
    }

    let (events, inbox) = mpsc::channel(QUEUE);
    let (mut resolver, changes) = Resolver::open()?;
    let addresses = wanted_addresses(&config, &Target::default());
    let network = resolver.settle(&addresses, PATIENCE).await;
    for (ip, why) in network
        .hops
        .iter()
        .filter_map(|(ip, hop)| Some((ip, hop.as_ref().err()?)))
    {
        tracing::warn!("no next hop for {ip}: {why}");
    }
    let (addresses, wanted) = watch::channel(addresses);
    let (doubts, doubted) = mpsc::channel(QUEUE);
    let mut probes = Probes::new(events.clone());
    probes.arrange(&config, &operator, &known_health(&observed));
    let mut agent = Agent {
        path: path.to_owned(),
        operator,
        probes,
        network,
        nat_ports: nat_ports(&config),
        failover: known_failover(&observed),
        exhaustion: Exhaustion::default(),
        target: Target::default(),
        dataplane: Arc::clone(&dataplane),
        interfaces,
        addresses,
        doubts,
        snapshot: watch::Sender::new(Arc::new(Snapshot::default())),
        started: (Instant::now(), jiff::Timestamp::now()),
        config,
        _pins: pins_lock,
    };
    agent.reconcile().context("cannot write the maps")?;
    agent
        .interfaces
        .attach(&agent.dataplane, &agent.config)
        .await?;
    agent.interfaces.look_closer(&agent.config).await?;
    agent.publish();
    for removed in agent.interfaces.remove_others(&agent.config)? {
        tracing::info!("{removed}");
    }
    pins::remove_stages(&agent.config.agent.pin_dir, frames.other())?;

    let (found, fresh) = mpsc::channel::<Network>(1);
    tokio::spawn(resolver.watch(changes, wanted, doubted, found));
    tokio::spawn(forward_network(fresh, events.clone()));
    tokio::spawn(tick(events.clone()));
    signals(&events)?;
    if let Some(log) = log {
        tokio::spawn(packet_log(log));
    }
    let reader = api::Reader {
        snapshot: agent.snapshot.subscribe(),
        dataplane,
    };
    if let Some(metrics) = metrics {
        api::serve_metrics(metrics, reader.clone());
    }
    let served = api::serve(listener, reader, events);
    tracing::info!(
        "serving {} services on {}; API at {}",
        agent.config.services.len(),
        agent
            .interfaces
            .held()
            .iter()
            .map(|held| {
                let mode = held.nic.as_ref().map_or("none", |nic| nic.mode.as_str());
                format!("{} ({mode})", held.name)
            })
            .collect::<Vec<_>>()
            .join(", "),
        agent.config.agent.api.display()
    );
    let ended = agent.serve(inbox).await;
    served.finish().await;
    ended
}

/// The number that a seed in words stands for: the same on every machine.
fn seed(words: &str) -> u64 {
    maglev::identity(0, words, "")
}

/// The ports that translated flows may have where the configuration does not say: the larger part of the ports outside
/// the range from which this host's own connections take theirs.
fn nat_ports(config: &Config) -> RangeInclusive<u16> {
    const FIRST: u16 = 1024;
    let own = local_ports().unwrap_or(32_768..=60_999);
    let below = FIRST..=own.start().saturating_sub(1).max(FIRST);
    let above = own.end().saturating_add(1).max(FIRST)..=u16::MAX;
    let taken =
        |range: &RangeInclusive<u16>| range.start() <= own.end() && own.start() <= range.end();
    if let Some(range) = config.agent.nat_ports.as_ref().filter(|range| taken(range)) {
        tracing::warn!(
            "`nat_ports` {}-{} meets the ports that this host's own connections take, {}-{} (net.ipv4.ip_local_port_range): a connection of its own to a backend may be cut",
            range.start(),
            range.end(),
            own.start(),
            own.end()
        );
    }
    if below.len() >= above.len() {
        below
    } else {
        above
    }
}

fn known_health(observed: &Observed) -> BTreeMap<Key, Health> {
    let health = |number| match number {
        1 => Health::Up,
        2 => Health::Down,
        _ => Health::Unknown,
    };
    observed
        .backends
        .values()
        .map(|(_, seen)| {
            (
                Key::new(note::text(&seen.service), note::text(&seen.name)),
                health(seen.health),
            )
        })
        .collect()
}

fn known_failover(observed: &Observed) -> BTreeMap<String, State> {
    observed
        .services
        .values()
        .map(|service| {
            let state = State {
                on_backup: service.note.on_backup == 1,
                active_since_ms: None,
            };
            (note::text(&service.note.name).to_owned(), state)
        })
        .collect()
}

async fn forward_network(mut fresh: mpsc::Receiver<Network>, events: mpsc::Sender<Event>) {
    while let Some(network) = fresh.recv().await {
        if events.send(Event::Network(network)).await.is_err() {
            return;
        }
    }
}

async fn tick(events: mpsc::Sender<Event>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if events.send(Event::Tick).await.is_err() {
            return;
        }
    }
}

fn signals(events: &mpsc::Sender<Event>) -> Result<()> {
    let kinds = [
        (SignalKind::terminate(), false),
        (SignalKind::interrupt(), false),
        (SignalKind::hangup(), true),
    ];
    for (kind, reloads) in kinds {
        let mut signals = signal(kind)?;
        let events = events.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let event = if reloads { Event::Reload } else { Event::Stop };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

/// Time between looks into the packet log.
const LOG_LOOK: Duration = Duration::from_millis(100);

async fn packet_log(mut log: PacketLog) {
    let mut looks = interval(LOG_LOOK);
    loop {
        looks.tick().await;
        log.flush();
    }
}
