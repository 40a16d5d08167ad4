//! The stage that reads frames with options, extension headers and fragments.

use lb_common::Stage;

use super::{Trail, written};
use crate::{
    packet::Packet,
    parse,
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Reads the headers and leaves the rest to the stage that finds whose packet it is.
#[inline(always)]
pub fn walk<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    let parsed = parse::full(packet)?;
    trail.note(&parsed);
    tables.hand_over(&written(&parsed));
    Err(Turn::on(Stage::Select))
}
