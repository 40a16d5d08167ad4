//! How backends are asked whether they live.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Backend, Listen, Service};

/// How a backend is asked whether it lives. Times are of HAProxy's `inter`, `fastinter`, `downinter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Port asked on every backend. Default none: see [`Probe::port_of`].
    pub port: Option<u16>,
    /// Time between probes of a settled backend, 10ms..=1h. Default 2s.
    pub interval: Duration,
    /// Time between probes while results speak against the current health, 10ms..=`interval`.
    /// Default a quarter of `interval` but at least 50ms, so that a transition is decided within one interval.
    pub fast_interval: Duration,
    /// Time between probes of a settled Down backend, 10ms..=1h. Default `interval`.
    pub down_interval: Duration,
    /// Time for the whole of one probe, 10ms..=`interval`. Default `interval`, but at most 1s: on a network where load
    /// balancing makes sense a healthy server answers in a fraction of it.
    pub timeout: Duration,
    /// Consecutive passes that take a backend up, 1..=100. Default 2.
    pub rise: u32,
    /// Consecutive failures that take a backend down, 1..=100. Default 3.
    pub fall: u32,
}

/// What a probe asks and which answer passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A TCP connection that opens.
    Tcp,
    /// `GET path` over HTTP/1.1, answered with one of the status codes.
    Http {
        /// Path and query. Default `/`.
        path: String,
        /// `Host` header. Default none: the backend's address.
        host: Option<String>,
        /// Status codes that pass. Default 200..=399.
        status: Vec<RangeInclusive<u16>>,
    },
}

impl Probe {
    /// Port asked on `backend` of `service`: the probe's own, else the backend's, else the first listener's first.
    pub fn port_of(&self, backend: &Backend, service: &Service) -> u16 {
        let first = service.listen.first().map(Listen::first_port);
        // A checked service has a listener.
        self.port.or(backend.port).or(first).unwrap_or_default()
    }
}
