//! The stage where translated flows are given a port.

use lb_common::{Control, Flow, Reason, Service, Stage, backend::VlanTags, link::MAX_LINKS};

use super::{Trail, begin::refuse, read};
use crate::{
    packet::{Header as _, Packet},
    select::bind::{self, Attempt, LastHop},
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Gives the flow that this packet begins a port on one of our addresses, and remembers it for the answers.
#[inline(always)]
pub fn bind<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    let parsed = read(tables)?;
    let handover = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    trail.note(&parsed);
    trail.service = handover.service;
    if T::DRY_RUN {
        // It takes no port: it goes from where the flow begins to where it departs.
        return Err(Turn::on(Stage::Depart));
    }
    let inconsistent = Turn::drop(Reason::Inconsistent);
    let control = tables.control().ok_or(inconsistent)?;
    let service = tables.service(handover.service).ok_or(inconsistent)?;
    let from = came_from(packet, tables, &control, &service, parsed.l3);
    match bind::bind(tables, &control, &service, &handover, from) {
        Attempt::Bound(bound) => {
            tables.set_bound(bound);
            Err(Turn::on(Stage::Record))
        }
        Attempt::Taken => {
            // Anew, and not in a loop: the verifier would walk through every round of it.
            tables.set_drawn(handover.drawn + 1);
            Err(Turn::on(Stage::Bind))
        }
        Attempt::Failed => Err(refuse(&parsed, Reason::ResetNoPort, Reason::NoPort)),
    }
}

/// Where a packet came from, as a flow remembers it. A function of its own for the sake of the stack.
#[inline(never)]
fn came_from<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    control: &Control,
    service: &Service,
    l3: usize,
) -> LastHop {
    let Some(header) = packet.header::<12>(0) else {
        return (0, 0);
    };
    let (first, last) = (header.u32::<6>(), header.u16::<10>());
    let tags = tables.opaque(tags(packet, l3));
    let mut link = link(tables, control, packet.ingress(), tags);
    if service.flags & Service::BY_ROUTE != 0 || link == Flow::NO_LINK {
        link |= Flow::BY_ROUTE;
    }
    let ([a, b], [c, d]) = (last.to_ne_bytes(), link.to_ne_bytes());
    (first, u32::from_ne_bytes([a, b, c, d]))
}

/// The VLAN identifiers of a frame, outer first; 0 where there is no tag.
#[inline(always)]
fn tags<P: Packet>(packet: &P, l3: usize) -> VlanTags {
    const IDENTIFIER: u16 = 0x0fff_u16.to_be();
    let mut tags = [0; 2];
    if l3 > 14
        && let Some(tag) = packet.header::<2>(14)
    {
        tags[0] = tag.u16::<0>() & IDENTIFIER;
    }
    if l3 > 18
        && let Some(tag) = packet.header::<2>(18)
    {
        tags[1] = tag.u16::<0>() & IDENTIFIER;
    }
    tags
}

/// Number of the link with this interface and these VLANs, [`Flow::NO_LINK`] if there is none.
#[inline(always)]
fn link<T: Tables>(tables: &T, control: &Control, ifindex: u32, tags: VlanTags) -> u16 {
    let mut found = Flow::NO_LINK;
    let mut number = 0;
    while number < MAX_LINKS && number < u32::from(control.links) && found == Flow::NO_LINK {
        if let Some(link) = tables.link(number)
            && link.ifindex == ifindex
            && link.tags == tags
        {
            found = number as u16;
        }
        found = tables.opaque(found);
        number += 1;
    }
    found
}
