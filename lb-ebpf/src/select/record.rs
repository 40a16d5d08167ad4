//! Remembering a flow, and the affinity of its client.

use lb_common::{Backend, Control, Event, Flow, FlowTag, Handover, Service, hash};

use super::{
    affinity,
    begin::newcomer,
    flow_table::{self, Place},
    state::limit,
    tag,
};
use crate::tables::Tables;

/// Remembers that the flow which a packet begins has its backend, and its port if it is translated. False where that
/// could not be done.
#[inline(always)]
pub fn flow<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    backend: &Backend,
    packet: &Handover,
) -> bool {
    let now = tables.now();
    let hash = hash::flow(&packet.key, control.flow_seed);
    let mut own = flow_table::place(tables, packet.flow);
    if own.seen.tag() != FlowTag::tag_of(hash) {
        // The former flow is gone: its port, or its place, was what binding found.
        own = Place::NONE;
    }
    let claimed = flow_table::claim(tables, control, service, hash, now, own);
    // In a table that is full of flows of this very tick the reply entry may have been worth least.
    if claimed.is_some() && claimed.index() == packet.twin {
        flow_table::release(tables, &claimed);
        tables.count_event(Event::FlowUnrecorded);
        return false;
    }
    if !claimed.is_some() {
        tables.count_event(Event::FlowUnrecorded);
        return false;
    }
    if claimed.seen.is_flow() {
        count_forgotten(tables, now, &claimed);
    }
    let flow = Flow {
        source: packet.source,
        port: packet.port,
        twin: packet.twin,
        ..newcomer(packet, now)
    };
    let twin = flow_table::place(tables, packet.twin);
    if twin.is_some() {
        tables.set_twin(twin.bucket, twin.way, claimed.index());
    }
    let tag = tag(hash, packet.backend, backend);
    flow_table::publish(tables, &claimed, &flow, tag);
    true
}

/// Counts the flow that stood at a claimed place as ended, unless it had. What makes room for a port, a fragment or an
/// affinity is left to the agent's count.
#[inline(always)]
fn count_forgotten<T: Tables>(tables: &T, now: u32, claimed: &Place) {
    let Some(flow) = tables.flow(claimed.bucket, claimed.way) else {
        return;
    };
    let Some(service) = tables.service(u32::from(flow.service)) else {
        return;
    };
    // One that has been silent for longer than it lasts is not counted any more: the agent has seen to that.
    let limit = tables.opaque(limit(&flow, &service));
    if service.counts_flows()
        && flow.kind <= Flow::REPLY
        && flow.state != Flow::CLOSED
        && now.wrapping_sub(flow.seen) < limit
    {
        tables.flow_ended(claimed.seen.backend());
    }
}

/// Gives the port of a flow that could not be remembered back.
#[inline(always)]
pub fn unbind<T: Tables>(tables: &T, packet: &Handover) {
    let twin = flow_table::place(tables, packet.twin);
    if twin.is_some() && flow_table::take(tables, &twin) {
        flow_table::release(tables, &twin);
    }
}

/// Remembers that the client's newest flow has its backend. A function of its own for the sake of the stack.
#[inline(never)]
pub fn affinity<T: Tables>(tables: &T) -> u32 {
    if let Some(packet) = tables.handed_over()
        && let Some(control) = tables.control()
        && let Some(service) = tables.service(packet.service)
    {
        let affinity = affinity::find(tables, &control, &service, &packet);
        affinity.keep(tables, &control, &service, &packet);
    }
    0
}
