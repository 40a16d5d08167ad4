//! Numbers of services and backends: stable while they live, never those of another whose flows may still be about.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use anyhow::{Context as _, Result};
use lb_common::{
    Address, Backend, address,
    maps::{MAX_BACKENDS, MAX_SERVICES},
    note,
};

use super::Inputs;
use crate::{observed::Observed, operator::Key};

/// Numbers of services and backends: those they have, else free ones.
pub struct Numbers<'a> {
    observed: &'a Observed,
    services: BTreeMap<&'a str, u32>,
    backends: BTreeMap<(&'a str, &'a str, Address), u16>,
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
                .map(|(number, (record, note))| {
                    (
                        (
                            note::text(&note.service),
                            note::text(&note.name),
                            record.address,
                        ),
                        *number,
                    )
                })
                .collect(),
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

    /// The number of a backend, and the record it has.
    ///
    /// A backend that moved to another address is another backend: its flows stay where they are.
    pub fn backend(&mut self, key: &Key, ip: IpAddr) -> Result<(u16, Backend)> {
        let identity = (
            key.service.as_str(),
            key.backend.as_str(),
            address::from_ip(ip),
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
}
