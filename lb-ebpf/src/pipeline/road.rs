//! The quick stage: packets of flows that are at hand, in both directions. It writes nothing but the packet.

use lb_common::{Control, Reason, Stage};

use super::{Trail, departure, sent, written};
use crate::{
    lookup,
    packet::Packet,
    parse::{self, Parsed},
    select::open::{self, Search},
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Forwards a packet of a flow that is at hand, lets pass what is not ours, and leaves the rest to other stages.
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
    let port = parsed.key.vip_port_ne();
    if !lookup::may_listen(tables, &control, &parsed.key) && !lookup::may_be_reply(&control, port) {
        return Err(Turn::pass(Reason::NoService));
    }
    match at_hand(packet, tables, trail, &control, &parsed) {
        // Whatever the reason, the next stages look more closely.
        Err(turn) if matches!(turn, OPEN | SELECT) => {
            tables.hand_over(&written(&parsed));
            Err(turn)
        }
        taken => taken,
    }
}

const OPEN: Turn = Turn::on(Stage::Open);
const SELECT: Turn = Turn::on(Stage::Select);

/// Sends off a packet of a flow that is at hand.
#[inline(always)]
fn at_hand<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
    control: &Control,
    parsed: &Parsed,
) -> Result<Outcome, Turn> {
    let search = Search::of(tables, control, parsed).ok_or(SELECT)?;
    if T::DRY_RUN {
        return Err(OPEN);
    }
    let kept = search.at_hand(tables).ok_or(OPEN)?;
    let (destination, service, reason) = if kept.is_reply() {
        let flow = open::answered(tables, kept).ok_or(OPEN)?;
        let destination = departure::back(tables, &flow)?;
        (destination, flow.service, Reason::FlowReply)
    } else {
        let backend = open::served(tables, kept).ok_or(OPEN)?;
        let (source, port) = (kept.source(), kept.port());
        let destination = departure::to_backend(tables, &parsed.key, &backend, source, port)?;
        (destination, backend.service, Reason::FlowHit)
    };
    let service = u32::from(service);
    trail.service = service;
    let number = kept.backend();
    let verdict = departure::leave(packet, tables, parsed, number, &destination)?;
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
