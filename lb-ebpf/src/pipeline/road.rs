//! The quick stage: packets of open flows, in both directions. It writes nothing but the packet.

use lb_common::{Control, Reason, Stage};

use super::{Trail, departure, sent, written};
use crate::{
    lookup::{self, Destination},
    packet::Packet,
    parse::{self, Parsed},
    select::open,
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Forwards a packet of an open flow, lets pass what is not ours, and leaves the rest to other stages.
#[inline(always)]
pub fn road<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    let mut parsed = parse::plain(packet)?;
    known_to_nobody(tables, &mut parsed);
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
    match open_flow(
        packet,
        tables,
        trail,
        &control,
        &parsed,
        tables.opaque(is_reply),
    ) {
        // Whatever the reason, the next stages look more closely.
        Err(turn) if turn == Turn::on(Stage::Select) => {
            tables.hand_over(&written(&parsed));
            Err(turn)
        }
        taken => taken,
    }
}

/// Sends off a packet of an open flow.
#[inline(always)]
fn open_flow<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
    control: &Control,
    parsed: &Parsed,
    is_reply: bool,
) -> Result<Outcome, Turn> {
    const CLOSER: Turn = Turn::on(Stage::Select);
    let place = open::find(tables, control, parsed, is_reply).ok_or(CLOSER)?;
    let number = place.seen.backend();
    let flow = tables.flow(place.bucket, place.way).ok_or(CLOSER)?;
    let service = u32::from(flow.service);
    trail.service = service;
    if is_reply && flow.is_by_route() {
        return Err(CLOSER);
    }
    let destination = if is_reply {
        departure::back(tables, &flow)?
    } else {
        departure::to_backend(tables, &parsed.key, number, flow.source, flow.port)?
    };
    if departure::is_across(parsed, &destination.ends.destination) {
        return Err(CLOSER);
    }
    let verdict = departure::leave(packet, tables, parsed, number, &destination)?;
    let reason = if is_reply {
        Reason::FlowReply
    } else {
        Reason::FlowHit
    };
    Ok(sent(verdict, reason, service, number))
}

/// Lets the verifier forget what the branches so far have told it: every packet is one case from here on.
#[inline(always)]
pub fn known_to_nobody<T: Tables>(tables: &T, parsed: &mut Parsed) {
    parsed.version = tables.opaque(parsed.version);
    parsed.key.protocol = tables.opaque(parsed.key.protocol);
    parsed.flags = tables.opaque(parsed.flags);
    parsed.l3 = tables.opaque(parsed.l3);
    parsed.l4 = tables.opaque(parsed.l4);
    parsed.len = tables.opaque(parsed.len);
}
