//! The stage where flows begin.

use lb_common::{Backend, Reason, Service, Stage};

use super::{Trail, departing, read};
use crate::{
    parse::Parsed,
    select::begin::{self, Begun},
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Finds a backend for a packet that begins a flow.
#[inline(always)]
pub fn begin<T: Tables>(tables: &T, trail: &mut Trail) -> Result<Outcome, Turn> {
    let parsed = read(tables)?;
    let packet = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    trail.note(&parsed);
    trail.service = packet.service;
    let inconsistent = Turn::drop(Reason::Inconsistent);
    let control = tables.control().ok_or(inconsistent)?;
    let mut service = tables.service(packet.service).ok_or(inconsistent)?;
    // Else what follows the choice is proved once more for each scheduler.
    service.scheduler = tables.opaque(service.scheduler);
    let number = match begin::begin(tables, &control, &service, &packet) {
        Begun::Chosen(number) => number,
        Begun::Denied => return Err(Turn::drop(Reason::Denied)),
        Begun::Nobody => return Err(refuse(&parsed, Reason::ResetNoBackend, Reason::NoBackend)),
    };
    let backend = tables.backend(number).ok_or(inconsistent)?;
    tables.set_backend(number);
    if T::DRY_RUN {
        return Err(departing(&parsed));
    }
    if service.counts_flows() {
        tables.flow_begun(number);
    }
    Err(next(&service, &backend, &parsed))
}

#[inline(always)]
const fn next(service: &Service, backend: &Backend, parsed: &Parsed) -> Turn {
    if backend.is_translated() {
        return Turn::on(Stage::Bind);
    }
    if service.flags & Service::ONE_PACKET != 0 && service.affinity == 0 {
        return departing(parsed);
    }
    Turn::on(Stage::Record)
}

/// What becomes of a packet that cannot begin a flow.
#[inline(always)]
pub const fn refuse(parsed: &Parsed, tcp: Reason, udp: Reason) -> Turn {
    if parsed.is_tcp() {
        Turn::reset(tcp)
    } else {
        Turn::drop(udp)
    }
}
