//! The stage where flows are remembered.

use lb_common::{Reason, Service, Stage};

use super::{Trail, begin::refuse, departing, read};
use crate::{
    select::record,
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Remembers the flow that a packet begins, and the affinity of its client.
#[inline(always)]
pub fn record<T: Tables>(tables: &T, trail: &mut Trail) -> Result<Outcome, Turn> {
    let parsed = read(tables)?;
    let packet = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    trail.note(&parsed);
    trail.service = packet.service;
    if T::DRY_RUN {
        // It remembers nothing: it goes from where the flow begins to where it departs.
        return Err(Turn::on(Stage::Depart));
    }
    let inconsistent = Turn::drop(Reason::Inconsistent);
    let control = tables.control().ok_or(inconsistent)?;
    let service = tables.service(packet.service).ok_or(inconsistent)?;
    let backend = tables.backend(packet.backend).ok_or(inconsistent)?;
    if service.flags & Service::ONE_PACKET == 0
        && !record::flow(tables, &control, &service, &backend, &packet)
        && backend.is_translated()
    {
        record::unbind(tables, &packet);
        return Err(refuse(&parsed, Reason::ResetNoPort, Reason::NoPort));
    }
    if service.affinity > 0 {
        record::affinity(tables);
    }
    Err(departing(&parsed))
}
