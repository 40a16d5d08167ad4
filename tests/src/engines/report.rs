//! What a frame changed: in its bytes, in the counters.

use std::{collections::BTreeMap, fmt};

use anyhow::Result;
use lb_agent::dataplane::{Dataplane as _, kernel::Kernel};
use lb_common::{Event, Reason};
use lb_ebpf::testing::HostTables;

use super::world::{BACKENDS, SERVICES};

/// Counters that are not zero: packets and bytes by service and reason; packets, bytes and new flows by backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    reasons: BTreeMap<(u32, Reason), [u64; 2]>,
    backends: BTreeMap<u16, [u64; 3]>,
    events: BTreeMap<Event, u64>,
}

impl Counted {
    pub(super) fn of(kernel: &Kernel) -> Result<Self> {
        let mut counted = Self::default();
        for service in 0..=SERVICES {
            for (reason, count) in kernel.counts(service)? {
                counted
                    .reasons
                    .insert((service, reason), [count.packets, count.bytes]);
            }
        }
        for backend in 0..BACKENDS {
            let count = kernel.backend_count(backend)?;
            let values = [
                count.forwarded.packets,
                count.forwarded.bytes,
                count.new_flows,
            ];
            counted.backends.insert(backend, values);
        }
        counted.events = kernel.events()?;
        Ok(counted.without_zeros())
    }

    pub(super) fn of_host(host: &HostTables) -> Self {
        let backends = host.backends.borrow();
        let three = |[packets, bytes, new, _]: [u64; 4]| [packets, bytes, new];
        Self {
            reasons: host.counters.borrow().clone(),
            backends: backends
                .iter()
                .map(|(number, counts)| (*number, three(*counts)))
                .collect(),
            events: host.events.borrow().clone(),
        }
        .without_zeros()
    }

    /// What has been counted since `before`.
    pub fn since(mut self, before: &Self) -> Self {
        for (key, counts) in &before.reasons {
            let now = self.reasons.entry(*key).or_default();
            now.iter_mut()
                .zip(counts)
                .for_each(|(now, before)| *now -= before);
        }
        for (key, counts) in &before.backends {
            let now = self.backends.entry(*key).or_default();
            now.iter_mut()
                .zip(counts)
                .for_each(|(now, before)| *now -= before);
        }
        for (event, count) in &before.events {
            *self.events.entry(*event).or_default() -= count;
        }
        self.without_zeros()
    }

    fn without_zeros(mut self) -> Self {
        self.reasons.retain(|_, counts| counts[0] > 0);
        self.backends.retain(|_, counts| counts[0] > 0);
        self.events.retain(|_, count| *count > 0);
        self
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self
            .reasons
            .iter()
            .map(|((service, reason), [packets, bytes])| {
                format!("service {service} {} {packets}/{bytes}", reason.label())
            });
        let backends = self
            .backends
            .iter()
            .map(|(backend, [packets, bytes, new])| {
                format!("backend {backend} {packets}/{bytes}/{new} new")
            });
        let events = self
            .events
            .iter()
            .map(|(event, count)| format!("{} {count}", event.label()));
        let all: Vec<String> = reasons.chain(backends).chain(events).collect();
        f.write_str(&all.join(", "))
    }
}

/// Which bytes of a frame changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes(String);

impl Changes {
    /// Compares a frame before and after.
    pub fn between(before: &[u8], after: &[u8]) -> Self {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for at in (0..before.len().min(after.len())).filter(|at| before[*at] != after[*at]) {
            match ranges.last_mut() {
                Some((_, end)) if *end == at => *end = at + 1,
                _ => ranges.push((at, at + 1)),
            }
        }
        let mut text: Vec<String> = ranges
            .iter()
            .map(|(from, to)| format!("{from}..{to}"))
            .collect();
        if before.len() != after.len() {
            text.push(format!("{} -> {} bytes", before.len(), after.len()));
        }
        Self(if text.is_empty() {
            "none".into()
        } else {
            text.join(" ")
        })
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
