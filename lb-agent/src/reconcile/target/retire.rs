//! What is no longer configured but has live flows: it serves them and gets no new ones.
//!
//! A flow may begin between the look into the flow table and the plan's end. So what could still be given new flows
//! when it was looked at stays once more, without that permission; the next look, after the grace, is final.

use std::collections::BTreeSet;

use lb_common::{Address, Backend, ICMP, Listener, address};

use super::{
    Inputs, Target, TargetService,
    forward::{self, hop, with_hop},
    listen,
    numbers::{Identity, identity},
};
use crate::{config::Config, listeners::holds, observed::Observed};

/// Whether the maps hold a backend or a listener that is no longer configured: it stays while it has live flows.
pub fn leftovers(observed: &Observed, config: &Config) -> bool {
    let backends: BTreeSet<Identity<'_>> = config
        .services
        .iter()
        .flat_map(|service| {
            service.backends.iter().map(move |backend| {
                (
                    service.name.as_str(),
                    backend.name.as_str(),
                    address::from_ip(backend.address),
                    forward::kind(service),
                    forward::port(service, backend),
                )
            })
        })
        .collect();
    let listeners: BTreeSet<Destination> = config
        .services
        .iter()
        .flat_map(|service| listen::listeners(service, 0))
        .map(|listener| destination(&listener))
        .collect();
    observed
        .backends
        .values()
        .any(|(record, note)| !backends.contains(&identity(record, note)))
        || observed
            .listeners
            .iter()
            .any(|listener| !listeners.contains(&destination(listener)))
}

/// What a listener is for.
type Destination = (Address, u16, u8, u8, u16, u16);

fn destination(listener: &Listener) -> Destination {
    let Listener {
        address,
        port,
        protocol,
        prefix,
        low,
        high,
        ..
    } = *listener;
    (address, port, protocol, prefix, low, high)
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
        let mut kept = with_hop(*record, hop.as_ref());
        kept.flags |= Backend::USED | record.flags & Backend::SERVES;
        target.backends.insert(*number, (kept, *note));
        target.retiring = true;
    }
    let held: BTreeSet<u32> = target
        .backends
        .values()
        .map(|(record, _)| u32::from(record.service))
        .collect();
    for (number, service) in &inputs.observed.services {
        if held.contains(number) && !target.services.contains_key(number) {
            let kept = TargetService {
                note: service.note,
                slots: Vec::new(),
                bounds: Vec::new(),
                record: service.record,
            };
            target.services.insert(*number, kept);
        }
    }
    let listening: BTreeSet<Destination> = target.listeners.iter().map(destination).collect();
    for listener in &inputs.observed.listeners {
        let has_flows = listener.flags & Listener::CLOSING == 0
            || inputs.live.is_none_or(|live| {
                live.destinations.iter().any(|(address, port, protocol)| {
                    u8::try_from(*protocol)
                        .is_ok_and(|protocol| holds(listener, address, *port, protocol))
                })
            });
        let is_address = listener.protocol & !Listener::RANGE == ICMP;
        if !is_address
            && has_flows
            && !listening.contains(&destination(listener))
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
