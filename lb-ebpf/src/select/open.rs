//! The quick look: a packet in the middle of an open flow, for which nothing has to be written.

use lb_common::{Control, Flow, hash};

use super::{Place, flow_table};
use crate::{header::tcp, parse::Parsed, tables::Tables};

/// Where the flow of a packet stands, of a client's or of a backend's, if it is open, was seen of late, and may go on.
#[inline(always)]
pub fn find<T: Tables>(
    tables: &T,
    control: &Control,
    parsed: &Parsed,
    is_reply: bool,
) -> Option<Place> {
    if parsed.flags & (tcp::SYN | tcp::FIN | tcp::RST) != 0 {
        return None;
    }
    let hash = hash::flow(&parsed.key, control.flow_seed);
    let place = flow_table::find_either(tables, control, hash, &parsed.key, is_reply)?;
    let flow = tables.flow(place.bucket, place.way)?;
    let is_settled =
        flow.state == Flow::OPEN && tables.now().wrapping_sub(flow.seen) < control.seen_step;
    // What a backend still has to say goes to its client, whether or not it may serve.
    (is_settled && (is_reply || flow_table::is_served(tables, place.seen))).then_some(place)
}
