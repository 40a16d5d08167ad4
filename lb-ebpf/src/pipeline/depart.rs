//! The last stage of a packet whose destination was found.

use lb_common::{Handover, Reason};

use super::{Trail, departure, read, sent};
use crate::{
    forward::nat,
    packet::Packet,
    select::at,
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Sends the packet off.
#[inline(always)]
pub fn depart<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    let parsed = read(tables)?;
    let handover = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    let reason = Reason::from_number(handover.reason).unwrap_or(Reason::Inconsistent);
    trail.note(&parsed);
    trail.service = handover.service;
    departure::clamp::<P, T>(packet, &parsed, handover.mss);
    let inconsistent = Turn::drop(Reason::Inconsistent);
    let (number, destination) = if handover.task == Handover::TO_CLIENT {
        let hit = at(tables, handover.flow).ok_or(inconsistent)?;
        let destination = departure::to_client(tables, &hit.flow, packet.ingress())?;
        (hit.tag.backend(), destination)
    } else {
        let (number, source, port) = (handover.backend, handover.source, handover.port);
        let backend = tables.backend(number).ok_or(inconsistent)?;
        let destination = departure::to_backend(tables, &parsed.key, &backend, source, port)?;
        (number, destination)
    };
    let is_across = departure::is_across(&parsed, &destination.ends.destination);
    let verdict = if is_across && !T::DRY_RUN {
        let departure::Destination { way, ends, mtu, .. } = &destination;
        nat::translate_across(packet, &parsed, ends, way, *mtu).map_err(departure::refused)?
    } else {
        departure::leave(packet, tables, &parsed, number, &destination)?
    };
    Ok(sent(verdict, reason, handover.service, number))
}
