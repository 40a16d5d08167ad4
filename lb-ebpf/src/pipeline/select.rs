//! The stage that finds whose packet it is: an open flow's, a flow's to be, a backend's answer.

use lb_common::{Control, Flow, Handover, Reason, Stage, backend::NO_SOURCE};

use super::{Trail, departing, read, to_backend, written};
use crate::{
    lookup::{self, Destination, Found},
    parse::{Parsed, Part},
    select::{self, Choice, Hit, Known, fragment, reply},
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Finds where the packet goes and leaves it to the stage that brings it there.
#[inline(always)]
pub fn select<T: Tables>(tables: &T, trail: &mut Trail) -> Result<Outcome, Turn> {
    let parsed = read(tables)?;
    trail.note(&parsed);
    let control = tables.control().ok_or(Turn::drop(Reason::Inconsistent))?;
    if parsed.part == Part::Later {
        return later(tables, &control, trail, &parsed);
    }
    let destination = Destination {
        address: parsed.key.vip,
        port: parsed.key.vip_port_ne(),
        protocol: parsed.key.protocol as u8,
    };
    match lookup::lookup(tables, &control, &destination) {
        Some(found) => request(tables, &control, trail, &parsed, &found),
        None if lookup::may_be_reply(&control, destination.port) => {
            answer(tables, &control, trail, &parsed)
        }
        None => Err(Turn::pass(Reason::NoService)),
    }
}

/// A client's packet.
#[inline(always)]
fn request<T: Tables>(
    tables: &T,
    control: &Control,
    trail: &mut Trail,
    parsed: &Parsed,
    found: &Found,
) -> Result<Outcome, Turn> {
    trail.service = found.number;
    let service = tables
        .service(found.number)
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    let choice = match select::select(tables, control, &service, found, parsed)? {
        Known::Goes(choice) => choice,
        Known::Begins(reason, own) => {
            tables.hand_over(&Handover {
                task: Handover::TO_BACKEND,
                reason: reason as u32,
                service: found.number,
                flow: own,
                mss: service.mss,
                source: NO_SOURCE,
                twin: Flow::NO_TWIN,
                ..written(parsed)
            });
            return Err(Turn::on(Stage::Begin));
        }
    };
    Err(to_backend(
        tables,
        parsed,
        &choice,
        found.number,
        service.mss,
    ))
}

/// Leaves the packet to the next stage, which brings it to the client of `hit`.
#[inline(always)]
fn to_client<T: Tables>(tables: &T, parsed: &Parsed, hit: &Hit, reason: Reason, mss: u16) -> Turn {
    tables.hand_over(&Handover {
        task: Handover::TO_CLIENT,
        reason: reason as u32,
        service: u32::from(hit.flow.service),
        mss,
        flow: hit.place.index(),
        ..written(parsed)
    });
    departing(parsed)
}

/// A backend's packet.
#[inline(always)]
fn answer<T: Tables>(
    tables: &T,
    control: &Control,
    trail: &mut Trail,
    parsed: &Parsed,
) -> Result<Outcome, Turn> {
    let hit = reply::reply(tables, control, &parsed.key, parsed.flags)
        .ok_or(Turn::pass(Reason::NoService))?;
    let number = u32::from(hit.flow.service);
    trail.service = number;
    let service = reply::service(tables, &hit.flow).ok_or(Turn::drop(Reason::Inconsistent))?;
    Err(to_client(
        tables,
        parsed,
        &hit,
        Reason::FlowReply,
        service.mss,
    ))
}

/// A fragment that is not the first of its packet.
#[inline(always)]
fn later<T: Tables>(
    tables: &T,
    control: &Control,
    trail: &mut Trail,
    parsed: &Parsed,
) -> Result<Outcome, Turn> {
    let Some(hit) = fragment::find(tables, control, parsed) else {
        // Of a packet for a service nobody knows where it goes; of any other it is the host's.
        return Err(match lookup::vip(tables, control, parsed.key.vip) {
            Some(found) => {
                trail.service = found.number;
                Turn::drop(Reason::FragmentEarly)
            }
            None => Turn::pass(Reason::NoService),
        });
    };
    let service = u32::from(hit.flow.service);
    trail.service = service;
    if hit.flow.state == Flow::REPLY {
        let flow = fragment::flow(tables, &hit).ok_or(Turn::drop(Reason::FragmentEarly))?;
        return Err(to_client(tables, parsed, &flow, Reason::Fragment, 0));
    }
    if !select::is_served(tables, hit.tag) {
        return Err(Turn::drop(Reason::FragmentEarly));
    }
    let choice = Choice {
        number: hit.tag.backend(),
        reason: Reason::Fragment,
        source: hit.flow.source,
        port: 0,
        flow: Flow::NO_TWIN,
    };
    Err(to_backend(tables, parsed, &choice, service, 0))
}
