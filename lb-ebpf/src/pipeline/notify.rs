//! The last stage of an ICMP error about a flow: it goes to the end of the flow that must learn of it.

use lb_common::{Backend, Handover, Reason};

use super::{
    Trail,
    departure::{self, Destination},
    read, sent,
};
use crate::{
    forward::{
        front::{self, Way},
        icmp::{translate, translate_across},
        nat::Ends,
    },
    packet::Packet,
    parse::{Parsed, icmp::Quote},
    select::at,
    tables::Tables,
    verdict::{Outcome, Turn, Verdict},
};

/// Sends the error off.
#[inline(always)]
pub fn notify<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    let parsed = read(tables)?;
    let handover = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    trail.note(&parsed);
    trail.service = handover.service;
    let quote = Quote {
        version: parsed.version,
        inner: (handover.id & 0xffff) as usize,
        transport: (handover.id >> 16) as usize,
        protocol: handover.key.protocol as u8,
    };
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
    let Destination { way, ends, mtu, .. } = &destination;
    if departure::is_across(&parsed, &ends.destination) && !T::DRY_RUN {
        let verdict = translate_across(packet, tables, &parsed, &quote, ends, way, *mtu)
            .map_err(departure::refused)?;
        return Ok(sent(verdict, Reason::IcmpError, handover.service, number));
    }
    let is_translated = matches!(destination.forward, Backend::NAT | Backend::NAT_CLIENT);
    if is_translated && !T::DRY_RUN {
        turn_over(packet, &parsed, &quote, ends)?;
    }
    let verdict = if is_translated || destination.forward == Backend::DSR {
        send::<P, T>(packet, &parsed, way)?
    } else {
        departure::leave(packet, tables, &parsed, number, &destination)?
    };
    Ok(sent(verdict, Reason::IcmpError, handover.service, number))
}

/// Translates the error and what it quotes within their family.
#[inline(always)]
fn turn_over<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    quote: &Quote,
    ends: &Ends,
) -> Result<(), Turn> {
    let outer = (ends.source, ends.destination);
    // The quoted packet went the other way.
    let inner = (ends.destination, ends.source, ends.ports.rotate_left(16));
    translate(
        packet,
        parsed.version,
        parsed.l3,
        parsed.l4,
        quote,
        outer,
        inner,
    )
    .ok_or(Turn::drop(Reason::Untranslatable))
}

#[inline(always)]
fn send<P: Packet, T: Tables>(packet: &mut P, parsed: &Parsed, way: &Way) -> Result<Verdict, Turn> {
    if !T::DRY_RUN {
        departure::write(packet, parsed, way)?;
    }
    Ok(front::leave(packet, way))
}
