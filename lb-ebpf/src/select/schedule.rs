//! How a service's ring is read.

mod least;

use lb_common::{Address, Backend, Control, Handover, Ring, Service, hash};

use super::affinity::prefix;
use crate::tables::Tables;

/// Where no backend may be given a new flow.
pub const NONE: u32 = u32::MAX;

/// The backend for the flow with this hash that a packet begins, or [`NONE`].
#[inline(always)]
pub fn choose<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    packet: &Handover,
    hash: u64,
) -> u32 {
    let ring = ring(service);
    if ring.len == 0 {
        return NONE;
    }
    // The hash of the five-tuple, and what tells one connection on it from the next.
    let random = hash::mix(hash ^ u64::from(packet.sequence));
    let first = match service.scheduler {
        Service::LEAST_CONNECTIONS => return least::choose(tables, packet.service, &ring, random),
        Service::ROUND_ROBIN => round_robin(tables, packet.service, service.side & 1, &ring),
        Service::RANDOM_TWO => slot(&ring, (random >> 32) as u32),
        _ => consistent_slot(tables, control, service, &ring, hash, &packet.key.client),
    };
    let one = tables.opaque(usable(tables, packet.service, &ring, tables.opaque(first)));
    if service.scheduler != Service::RANDOM_TWO {
        return one;
    }
    // The power of two choices (Mitzenmacher 2001). The ring holds each backend as often as its weight says, so that the
    // draw alone is weighted: the two are compared by flows and not by flows for their weight, else a heavy one would be
    // favoured twice.
    let second = tables.opaque(slot(&ring, random as u32));
    let other = tables.opaque(usable(tables, packet.service, &ring, second));
    if flows(tables, other) < flows(tables, one) {
        other
    } else {
        one
    }
}

/// Flows of a backend; of none, more than any has.
#[inline(always)]
fn flows<T: Tables>(tables: &T, number: u32) -> u64 {
    let flows = match tables.load(number as u16) {
        Some(load) if number != NONE => load.flows(),
        _ => u64::MAX,
    };
    tables.opaque(flows)
}

/// Smooth weighted round robin: the ring holds the sequence, a ticket says where in it the next flow stands.
#[inline(always)]
fn round_robin<T: Tables>(tables: &T, service: u32, side: u32, ring: &Ring) -> u32 {
    let ticket = tables.take_ticket(service, side).unwrap_or_default();
    (ticket % u64::from(ring.len)) as u32
}

/// The backend that a consistent scheduler gives this flow, or [`NONE`].
#[inline(always)]
pub fn consistent<T: Tables>(
    tables: &T,
    control: &Control,
    number: u32,
    service: &Service,
    hash: u64,
    client: &Address,
) -> u32 {
    let ring = ring(service);
    if ring.len == 0 {
        return NONE;
    }
    let slot = consistent_slot(tables, control, service, &ring, hash, client);
    usable(tables, number, &ring, tables.opaque(slot))
}

#[inline(always)]
fn consistent_slot<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    ring: &Ring,
    hash: u64,
    client: &Address,
) -> u32 {
    let mut hash = hash;
    if service.scheduler == Service::SOURCE_HASH {
        let [high, low] = prefix(service, client);
        let prefix = [tables.opaque(high), tables.opaque(low)];
        hash = hash::client(&prefix, control.flow_seed);
    }
    slot(ring, (hash >> 32) as u32)
}

/// The slot that 32 random bits name: all slots alike, without a division.
#[inline(always)]
fn slot(ring: &Ring, random: u32) -> u32 {
    ((u64::from(random) * u64::from(ring.len)) >> 32) as u32
}

/// Slots tried after one whose backend may not be given new flows. The agent replaces the ring before it
/// forbids a backend, so this only bridges the moment in which a packet holds the former ring.
const TRIES: u32 = 4;

/// The backend in `slot` of service `number`'s ring, or in one of the next where that may not be given new flows.
#[inline(always)]
fn usable<T: Tables>(tables: &T, number: u32, ring: &Ring, mut slot: u32) -> u32 {
    let mut tried = 0;
    while tried < TRIES {
        let Some(backend) = tables.slot(ring.base.wrapping_add(slot)) else {
            return NONE;
        };
        if accepts(tables, number as u16, backend) {
            return u32::from(backend);
        }
        if !T::DRY_RUN {
            tables.count_event(lb_common::Event::SlotSkipped);
        }
        slot += 1;
        if slot >= ring.len {
            slot = 0;
        }
        slot = tables.opaque(slot);
        tried += 1;
    }
    NONE
}

/// Whether a backend may be given new flows of this service. While a reload changes the scheduler, a packet may read a
/// ring in the way of the other one and find any number in it.
#[inline(always)]
fn accepts<T: Tables>(tables: &T, service: u16, number: u16) -> bool {
    tables.backend(number).is_some_and(|backend| {
        backend.service == service && backend.is(Backend::ACCEPTS | Backend::REACHABLE)
    })
}

#[inline(always)]
fn ring(service: &Service) -> Ring {
    if service.side & 1 == 0 {
        service.rings[0]
    } else {
        service.rings[1]
    }
}
