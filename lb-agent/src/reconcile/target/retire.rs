//! What is no longer configured but has live flows: it serves them and gets no new ones.
//!
//! A flow may begin between the look into the flow table and the plan's end. So what could still be given new flows
//! when it was looked at stays once more, without that permission; the next look, after the grace, is final.

use std::collections::BTreeSet;

use lb_common::{Address, Backend, Listener, address, note};

use super::{
    Inputs, Target, TargetService, protocol_number,
    serve::{hop, with_hop},
};
use crate::{
    config::{self, Config},
    observed::Observed,
};

/// Whether the maps hold a backend or a listener that is no longer configured: it stays while it has live flows.
pub fn leftovers(observed: &Observed, config: &Config) -> bool {
    let backends: BTreeSet<(&str, &str, Address)> = config
        .services
        .iter()
        .flat_map(|service| {
            let named = |b: &config::Backend| address::from_ip(b.address);
            service
                .backends
                .iter()
                .map(move |b| (service.name.as_str(), b.name.as_str(), named(b)))
        })
        .collect();
    let listeners: BTreeSet<(Address, u16, u8)> = config
        .services
        .iter()
        .flat_map(|service| &service.listen)
        .map(|listen| {
            let port = listen.address.port().to_be();
            (
                address::from_ip(listen.address.ip()),
                port,
                protocol_number(listen.protocol),
            )
        })
        .collect();
    observed.backends.values().any(|(record, note)| {
        !backends.contains(&(
            note::text(&note.service),
            note::text(&note.name),
            record.address,
        ))
    }) || observed
        .listeners
        .iter()
        .any(|l| !listeners.contains(&(l.address, l.port, l.protocol)))
}

/// Adds it to the target.
pub fn retire(inputs: &Inputs<'_>, target: &mut Target) {
    for (number, (record, note)) in &inputs.observed.backends {
        // One that accepts may have been given a flow since somebody looked: it stops accepting first.
        let has_flows = record.is(Backend::ACCEPTS)
            || inputs
                .live
                .is_none_or(|live| live.backends.contains_key(number));
        if target.backends.contains_key(number) || !has_flows {
            continue;
        }
        let hop = hop(inputs, address::to_ip(record.address)).ok();
        let mut kept = with_hop(*record, record.service, address::to_ip(record.address), hop);
        kept.flags |= Backend::USED | record.flags & Backend::SERVES;
        target.backends.insert(*number, (kept, *note));
        target.retiring = true;
    }
    let held: BTreeSet<u32> = target
        .backends
        .values()
        .map(|(record, _)| record.service)
        .collect();
    for (number, service) in &inputs.observed.services {
        if held.contains(number) && !target.services.contains_key(number) {
            let kept = TargetService {
                note: service.note,
                slots: Vec::new(),
                tcp_idle: service.record.tcp_idle,
                udp_idle: service.record.udp_idle,
            };
            target.services.insert(*number, kept);
        }
    }
    let listening: BTreeSet<(Address, u16, u8)> = target
        .listeners
        .iter()
        .map(|l| (l.address, l.port, l.protocol))
        .collect();
    for listener in &inputs.observed.listeners {
        let destination = (listener.address, listener.port, listener.protocol);
        let (address, port, protocol) = destination;
        let has_flows = listener.flags & Listener::CLOSING == 0
            || inputs.live.is_none_or(|live| {
                live.destinations
                    .contains(&(address, port, u32::from(protocol)))
            });
        if !listening.contains(&destination)
            && has_flows
            && target.services.contains_key(&listener.service)
        {
            target.listeners.push(Listener {
                flags: Listener::CLOSING,
                ..*listener
            });
            target.retiring = true;
        }
    }
}
