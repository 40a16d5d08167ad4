//! The probes under way and what they have seen.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    api::model::Intent,
    config::{Config, Probe},
    event::{Event, Report},
    health::{
        Fsm, Health, Timing, Transition,
        probe::{self, Target},
    },
    operator::{Key, Operator},
    snapshot::Evidence,
};

/// Longest wait before a probe's first question: many backends' probes are spread over it.
const SPREAD: Duration = Duration::from_millis(200);

struct Checked {
    fsm: Fsm,
    evidence: Evidence,
    running: Option<Running>,
}

struct Running {
    probe: Probe,
    target: SocketAddr,
    start: u64,
    task: JoinHandle<()>,
}

/// Every backend's health, and the tasks that ask for it.
pub struct Probes {
    checked: BTreeMap<Key, Checked>,
    events: mpsc::Sender<Event>,
    starts: u64,
}

impl Probes {
    /// No probes yet; they will report to `events`.
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            checked: BTreeMap::new(),
            events,
            starts: 0,
        }
    }

    /// Starts, restarts and stops probes so that they are as `config` and `operator` want. `known` is what an
    /// earlier agent knew of a backend that is new here.
    pub fn arrange(&mut self, config: &Config, operator: &Operator, known: &BTreeMap<Key, Health>) {
        let mut former = std::mem::take(&mut self.checked);
        for service in &config.services {
            for backend in &service.backends {
                let key = Key::new(&service.name, &backend.name);
                let probed = operator.intent(&key) != Intent::Maint;
                let wanted = service.probe.as_ref().filter(|_| probed);
                let target = wanted
                    .map(|probe| SocketAddr::new(backend.address, probe.port_of(backend, service)));
                let mut checked = former.remove(&key).unwrap_or_else(|| {
                    // Without a probe nobody would ever say otherwise again.
                    let health = wanted
                        .and_then(|_| known.get(&key).copied())
                        .unwrap_or(Health::Unknown);
                    Checked {
                        fsm: Fsm::new(health, 1, 1),
                        evidence: Evidence::nothing(health),
                        running: None,
                    }
                });
                self.arrange_one(&key, &mut checked, wanted.zip(target));
                self.checked.insert(key, checked);
            }
        }
        former.into_values().for_each(Checked::stop);
    }

    fn arrange_one(
        &mut self,
        key: &Key,
        checked: &mut Checked,
        wanted: Option<(&Probe, SocketAddr)>,
    ) {
        let same = match (&checked.running, wanted) {
            (Some(running), Some((probe, target))) => {
                running.probe == *probe && running.target == target
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        if let Some(running) = checked.running.take() {
            running.task.abort();
            if wanted.is_none_or(|(_, target)| target != running.target) {
                // Nobody asks any more, or somebody else is asked: what was known is of no use.
                checked.fsm = Fsm::new(Health::Unknown, 1, 1);
                checked.evidence = Evidence::nothing(Health::Unknown);
            }
        }
        if let Some((probe, target)) = wanted {
            checked.fsm.reconfigure(probe.rise, probe.fall);
            self.starts += 1;
            let start = self.starts;
            let what = Target {
                address: target,
                kind: probe.kind.clone(),
                timeout: probe.timeout,
            };
            let task = tokio::spawn(ask(
                key.clone(),
                start,
                what,
                probe.interval,
                self.events.clone(),
            ));
            checked.running = Some(Running {
                probe: probe.clone(),
                target,
                start,
                task,
            });
        }
    }

    /// Takes in what a probe saw and says when to ask again; gives the transition if it caused one.
    pub fn observe(&mut self, report: Report) -> Option<(Key, Transition)> {
        let checked = self.checked.get_mut(&report.key)?;
        let running = checked
            .running
            .as_ref()
            .filter(|running| running.start == report.start)?;
        let saw = match &report.result {
            Ok(evidence) => evidence.to_string(),
            Err(failure) => failure.to_string(),
        };
        let transition = match probe::outcome(&report.result) {
            Some(outcome) => checked.fsm.observe(outcome),
            None => {
                tracing::warn!("{}: could not be probed: {saw}", report.key);
                None
            }
        };
        checked.evidence.saw = saw;
        checked.evidence.streak = checked.fsm.streak();
        if let Some(transition) = transition {
            checked.evidence.since = jiff::Timestamp::now();
            checked.evidence.health = transition.to;
        }
        let delay = checked
            .fsm
            .next_delay(&Timing::from(&running.probe), fastrand::f64());
        let _ = report.again.send(delay);
        transition.map(|transition| (report.key, transition))
    }

    /// What the probes say of every backend.
    pub fn health(&self) -> BTreeMap<Key, Health> {
        self.checked
            .iter()
            .map(|(key, checked)| (key.clone(), checked.fsm.health()))
            .collect()
    }

    /// What was seen last of one backend.
    pub fn evidence(&self, key: &Key) -> Option<&Evidence> {
        self.checked.get(key).map(|checked| &checked.evidence)
    }
}

impl Checked {
    fn stop(self) {
        if let Some(running) = self.running {
            running.task.abort();
        }
    }
}

async fn ask(
    key: Key,
    start: u64,
    target: Target,
    interval: Duration,
    events: mpsc::Sender<Event>,
) {
    sleep(SPREAD.min(interval).mul_f64(fastrand::f64())).await;
    loop {
        let result = probe::run(&target).await;
        let (again, delay) = oneshot::channel();
        let report = Report {
            key: key.clone(),
            start,
            result,
            again,
        };
        if events.send(Event::Probe(report)).await.is_err() {
            return;
        }
        match delay.await {
            Ok(delay) => sleep(delay).await,
            Err(_) => return,
        }
    }
}
