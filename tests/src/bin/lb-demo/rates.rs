//! From counters that only grow to what happens per second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use lb_agent::api::model::{BackendStatus, Status};

use crate::stage;

/// Answers of the agent over the last second or so.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<(Instant, Status)>,
}

/// What is forwarded to one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Packets per second.
    pub packets: f64,
    /// Bytes per second.
    pub bytes: f64,
    /// New flows per second.
    pub new_flows: f64,
}

impl History {
    /// Span over which rates are taken: long enough to be steady, short enough to follow.
    const SPAN: Duration = Duration::from_secs(1);

    /// Remembers an answer.
    pub fn push(&mut self, now: Instant, status: Status) {
        self.samples.push_back((now, status));
        while self
            .samples
            .get(1)
            .is_some_and(|(time, _)| now.duration_since(*time) >= Self::SPAN)
        {
            self.samples.pop_front();
        }
    }

    /// Forgets everything: the agent does not answer.
    pub fn clear(&mut self) {
        self.samples.clear();
    }

    /// The last answer.
    pub fn last(&self) -> Option<&Status> {
        self.samples.back().map(|(_, status)| status)
    }

    /// What is forwarded to the backend `SERVICE/BACKEND`.
    pub fn rates(&self, name: &str) -> Rates {
        let (Some((then, old)), Some((now, new))) = (self.samples.front(), self.samples.back())
        else {
            return Rates::default();
        };
        let (Some(old), Some(new)) = (stage::backend(old, name), stage::backend(new, name)) else {
            return Rates::default();
        };
        let seconds = now.duration_since(*then).as_secs_f64();
        let rate = |count: fn(&BackendStatus) -> u64| {
            // Counters begin anew when a backend's slot does.
            let grown = count(new).saturating_sub(count(old));
            if seconds > 0.0 {
                grown as f64 / seconds
            } else {
                0.0
            }
        };
        Rates {
            packets: rate(|backend| backend.forwarded.packets),
            bytes: rate(|backend| backend.forwarded.bytes),
            new_flows: rate(|backend| backend.new_flows),
        }
    }
}
