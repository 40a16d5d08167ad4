//! The quick looks: a packet in the middle of an open flow, for which nothing has to be written.

use lb_common::{
    Backend, Control, Flow, FlowTag,
    cache::{self, Kept},
    flow::WAYS,
    hash,
};

use super::{Place, flow_table};
use crate::{header::tcp, parse::Parsed, tables::Tables};

/// What a packet's flow is looked for by.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    hash: u64,
    turn: u32,
    key: u64,
}

impl Search {
    /// For the flow of a packet, unless the packet could begin or end one.
    #[inline(always)]
    pub fn of<T: Tables>(tables: &T, control: &Control, parsed: &Parsed) -> Option<Self> {
        if parsed.flags & (tcp::SYN | tcp::FIN | tcp::RST) != 0 {
            return None;
        }
        let hash = hash::flow(&parsed.key, control.flow_seed);
        let turn = cache::turn(tables.now(), control.turn);
        let epoch = tables.epoch(FlowTag::tag_of(hash));
        Some(Self {
            hash,
            turn,
            key: cache::key(hash, epoch, turn),
        })
    }

    /// What is at hand of the flow in this turn: what [`Self::in_table`] would find.
    #[inline(always)]
    pub fn at_hand<T: Tables>(&self, tables: &T) -> Option<Kept> {
        tables.at_hand(self.hash, self.key)
    }

    /// Where the flow stands, of a client's packet or of a backend's, if it is open, was seen of late, and may go on.
    #[inline(always)]
    pub fn in_table<T: Tables>(
        &self,
        tables: &T,
        control: &Control,
        parsed: &Parsed,
        is_reply: bool,
    ) -> Option<(Place, Flow)> {
        let place = flow_table::find(tables, control, self.hash, &parsed.key, is_reply)?;
        let flow = tables.flow(place.bucket, place.way)?;
        let is_settled =
            flow.state == Flow::OPEN && tables.now().wrapping_sub(flow.seen) < control.seen_step;
        // What a backend still has to say goes to its client, whether or not it may serve.
        (is_settled && (is_reply || flow_table::is_served(tables, place.seen)))
            .then_some((place, flow))
    }

    /// Keeps the flow that was found at `place` at hand.
    #[inline(always)]
    pub fn keep<T: Tables>(&self, tables: &T, place: &Place, flow: &Flow, is_reply: bool) {
        let (backend, incarnation) = (place.seen.backend(), place.seen.incarnation());
        let kept = if is_reply {
            Kept::reply(self.turn, backend, place.index())
        } else {
            Kept::client(self.turn, backend, incarnation, flow.source, flow.port)
        };
        tables.keep_at_hand(self.hash, self.key, kept);
    }
}

/// The backend of a client's flow that is at hand, if it still is the one and may serve it.
#[inline(always)]
pub fn served<T: Tables>(tables: &T, kept: Kept) -> Option<Backend> {
    let backend = tables.backend(kept.backend())?;
    (backend.incarnation == kept.incarnation() && backend.is(Backend::SERVES)).then_some(backend)
}

/// The flow of a backend's packet that is at hand.
#[inline(always)]
pub fn answered<T: Tables>(tables: &T, kept: Kept) -> Option<Flow> {
    let place = kept.place();
    tables.flow(place / WAYS, place % WAYS)
}
