//! The stage for packets of open flows that are not at hand. It writes nothing but the packet, and what is at hand
//! from then on.

use lb_common::{Reason, Stage};

use super::{Trail, departure, read, sent};
use crate::{
    lookup::{self, Destination},
    packet::Packet,
    select::open::Search,
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Forwards a packet of an open flow, lets pass what is not ours, and leaves the rest to other stages.
#[inline(always)]
pub fn open<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    const CLOSER: Turn = Turn::on(Stage::Select);
    let parsed = read(tables)?;
    trail.note(&parsed);
    let control = tables.control().ok_or(Turn::drop(Reason::Inconsistent))?;
    let destination = Destination {
        address: parsed.key.vip,
        port: parsed.key.vip_port_ne(),
        protocol: parsed.key.protocol as u8,
    };
    let found = lookup::exact(tables, &control, &destination);
    let is_reply = found.is_none() && lookup::may_be_reply(&control, destination.port);
    if found.is_none() && !is_reply && !lookup::has_patterns(&control) {
        return Err(Turn::pass(Reason::NoService));
    }
    let is_reply = tables.opaque(is_reply);
    let search = Search::of(tables, &control, &parsed).ok_or(CLOSER)?;
    let (place, flow) = search
        .in_table(tables, &control, &parsed, is_reply)
        .ok_or(CLOSER)?;
    let number = place.seen.backend();
    let service = u32::from(flow.service);
    trail.service = service;
    if is_reply && flow.is_by_route() {
        return Err(CLOSER);
    }
    let destination = if is_reply {
        departure::back(tables, &flow)?
    } else {
        let backend = tables.backend(number).ok_or(CLOSER)?;
        departure::to_backend(tables, &parsed.key, &backend, flow.source, flow.port)?
    };
    if departure::is_across(&parsed, &destination.ends.destination) {
        return Err(CLOSER);
    }
    if !T::DRY_RUN {
        search.keep(tables, &place, &flow, is_reply);
    }
    let verdict = departure::leave(packet, tables, &parsed, number, &destination)?;
    let reason = if is_reply {
        Reason::FlowReply
    } else {
        Reason::FlowHit
    };
    Ok(sent(verdict, reason, service, number))
}
