//! Where a flow begins: is its client let in, and which backend does it get.

use lb_common::{Control, Flow, Handover, Service, hash};

use super::{
    admission, affinity,
    schedule::{self, NONE},
};
use crate::tables::Tables;

/// What became of a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// No backend may be given a new flow.
    Nobody,
    /// The client is not let in.
    Denied,
    /// This backend is to have it.
    Chosen(u16),
}

/// Finds a backend for the flow that a packet begins: that of the client's affinity, else the scheduler's choice.
#[inline(always)]
pub fn begin<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    packet: &Handover,
) -> Begun {
    let client = &packet.key.client;
    if !admission::admits(tables, &service.admission, client) {
        return Begun::Denied;
    }
    let mut chosen = NONE;
    if service.affinity > 0 {
        let affinity = affinity::find(tables, control, service, packet);
        chosen = tables.opaque(affinity.backend);
    }
    if chosen == NONE {
        let hash = hash::flow(&packet.key, control.flow_seed);
        chosen = schedule::choose(tables, control, service, packet, hash);
    }
    match u16::try_from(tables.opaque(chosen)) {
        Ok(number) => Begun::Chosen(number),
        Err(_) => Begun::Nobody,
    }
}

/// The flow that a packet begins, but for what a translation adds.
#[inline(always)]
pub fn newcomer(packet: &Handover, now: u32) -> Flow {
    let is_tcp = packet.key.protocol == u32::from(lb_common::TCP);
    Flow {
        key: packet.key,
        seen: now,
        state: if is_tcp { Flow::OPENING } else { Flow::OPEN },
        kind: Flow::FORWARD,
        source: lb_common::backend::NO_SOURCE,
        twin: Flow::NO_TWIN,
        service: packet.service as u16,
        port: 0,
        isn: packet.sequence,
        born: now,
    }
}
