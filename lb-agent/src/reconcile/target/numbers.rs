//! Numbers of services and backends: stable while they live, never those of another whose flows may still be about.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use anyhow::{Context as _, Result};
use lb_common::{
    Address, Backend, BackendNote, address,
    maps::{MAX_BACKENDS, MAX_SERVICES, MAX_SOURCES},
    note,
};

use super::Inputs;
use crate::{observed::Observed, operator::Key};

/// What makes a backend this one: names of service and backend, address, way of forwarding, port. With another address, or
/// brought there in another way, it is another backend: its flows stay where they are.
pub type Identity<'a> = (&'a str, &'a str, Address, u8, u16);

/// The identity of a backend in the maps.
pub fn identity<'a>(record: &Backend, note: &'a BackendNote) -> Identity<'a> {
    (
        note::text(&note.service),
        note::text(&note.name),
        record.address,
        record.forward,
        record.port,
    )
}

/// Numbers of services and backends: those they have, else free ones.
pub struct Numbers<'a> {
    observed: &'a Observed,
    services: BTreeMap<&'a str, u32>,
    backends: BTreeMap<Identity<'a>, u16>,
    sources: BTreeMap<u16, Address>,
    taken_services: BTreeSet<u32>,
    taken_backends: BTreeSet<u16>,
}

impl<'a> Numbers<'a> {
    /// The numbers in use.
    pub fn new(inputs: &Inputs<'a>) -> Self {
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
                .map(|(number, (record, note))| (identity(record, note), *number))
                .collect(),
            sources: observed.sources.clone(),
            taken_services: observed.services.keys().copied().collect(),
            taken_backends: observed.backends.keys().copied().collect(),
        }
    }

    /// The number of a service.
    pub fn service(&mut self, name: &str) -> Result<u32> {
        if let Some(number) = self.services.get(name) {
            return Ok(*number);
        }
        let number = (1..MAX_SERVICES)
            .find(|number| !self.taken_services.contains(number))
            .with_context(|| {
                format!(
                    "no service number is free for {name}: there are {}",
                    MAX_SERVICES - 1
                )
            })?;
        self.taken_services.insert(number);
        Ok(number)
    }

    /// The number of a backend, and the record it has. `port` in network order.
    pub fn backend(
        &mut self,
        key: &Key,
        ip: IpAddr,
        forward: u8,
        port: u16,
    ) -> Result<(u16, Backend)> {
        let identity = (
            key.service.as_str(),
            key.backend.as_str(),
            address::from_ip(ip),
            forward,
            port,
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

    /// The number of a source address. It keeps it for good: flows may hold it.
    pub fn source(&mut self, ip: IpAddr) -> Result<u16> {
        let address = address::from_ip(ip);
        if let Some((number, _)) = self.sources.iter().find(|(_, held)| **held == address) {
            return Ok(*number);
        }
        let number = (0..MAX_SOURCES)
            .filter_map(|number| u16::try_from(number).ok())
            .find(|number| !self.sources.contains_key(number))
            .with_context(|| {
                format!("no number is free for source address {ip}: there are {MAX_SOURCES}; `lb detach` frees those of former configurations")
            })?;
        self.sources.insert(number, address);
        Ok(number)
    }

    /// All source addresses by number.
    pub fn into_sources(self) -> BTreeMap<u16, Address> {
        self.sources
    }
}
