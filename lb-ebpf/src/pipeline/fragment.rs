//! The stage that remembers first fragments.

use lb_common::{Reason, Stage};

use super::{Trail, read};
use crate::{
    select::fragment,
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Remembers where the packet goes, so that its later fragments follow.
#[inline(always)]
pub fn fragment<T: Tables>(tables: &T, trail: &mut Trail) -> Result<Outcome, Turn> {
    trail.note(&read(tables)?);
    let handover = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    trail.service = handover.service;
    if !T::DRY_RUN {
        let inconsistent = Turn::drop(Reason::Inconsistent);
        let control = tables.control().ok_or(inconsistent)?;
        let service = tables.service(handover.service).ok_or(inconsistent)?;
        if !fragment::remember(tables, &control, &service, &handover) {
            return Err(Turn::drop(Reason::FragmentOverlap));
        }
    }
    Err(Turn::on(Stage::Depart))
}
