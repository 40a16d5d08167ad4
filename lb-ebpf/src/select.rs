//! Which backend a packet goes to: its flow's, or the scheduler's choice. The only writer of flows.
//!
//! Every packet proves that its backend may still serve it. If it may not, a packet that may begin a flow is
//! scheduled anew and anything else is answered with a reset; nothing is dropped in silence.

mod admission;
mod affinity;
pub mod begin;
pub mod bind;
mod flow_table;
pub mod fragment;
pub mod open;
pub mod record;
pub mod reply;
mod schedule;
mod state;
pub mod subject;

use lb_common::{Backend, Control, Flow, FlowTag, Reason, Service, hash};

use crate::{header::tcp, lookup::Found, parse::Parsed, tables::Tables, verdict::Turn};
pub use flow_table::{Hit, Place, is_served, place, read as at};
use state::limit;

/// The backend a packet goes to.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Its number.
    pub number: u16,
    /// How it was chosen.
    pub reason: Reason,
    /// Translated: number of the source address, [`lb_common::backend::NO_SOURCE`] for the client's.
    pub source: u16,
    /// Translated: the source port, in network order the way it stands in memory.
    pub port: u16,
    /// Where its flow stands: bucket times ways plus way; [`Flow::NO_TWIN`] where it is not remembered.
    pub flow: u32,
}

/// What is known of a client's packet.
pub enum Known {
    /// It follows its flow, or the consistent choice.
    Goes(Choice),
    /// It begins a flow, for this reason; a former one with its five-tuple may stand at this place.
    Begins(Reason, u32),
}

/// Looks whether the packet follows a flow.
#[inline(always)]
pub fn select<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    found: &Found,
    parsed: &Parsed,
) -> Result<Known, Turn> {
    let now = tables.now();
    let hash = hash::flow(&parsed.key, control.flow_seed);
    let mut own = Flow::NO_TWIN;
    let mut reason = Reason::FlowNew;
    let is_remembered = parsed.is_tcp() || service.flags & Service::ONE_PACKET == 0;
    if is_remembered && let Some(hit) = flow_table::find_forward(tables, control, hash, &parsed.key)
    {
        let reused = begins_anew(&hit.flow, parsed, service, now);
        if !reused {
            if let Some(choice) = follow(tables, &hit) {
                touch(tables, control, service, &hit, parsed.flags, now);
                return Ok(Known::Goes(choice));
            }
            if !parsed.is_opening() {
                return Err(unanswerable(parsed.flags, Reason::ResetBackendGone));
            }
        }
        own = hit.place.index();
        reason = if reused {
            Reason::FlowReused
        } else {
            Reason::FlowMoved
        };
    }
    let reason = tables.opaque(reason);
    if found.closing {
        return Err(Turn::pass(Reason::Closing));
    }
    if !parsed.is_opening() {
        return fall_back(tables, control, found.number, service, hash, parsed).map(Known::Goes);
    }
    Ok(Known::Begins(reason, own))
}

/// Whether this packet, although its flow is known, begins another one on the same five-tuple.
#[inline(always)]
fn begins_anew(flow: &Flow, parsed: &Parsed, service: &Service, now: u32) -> bool {
    let idle = now.wrapping_sub(flow.seen);
    if !parsed.is_tcp() {
        return idle >= service.udp_idle;
    }
    // An established flow that is neither closed nor stale keeps its backend: that backend answers the SYN with a
    // challenge ACK (RFC 5961 section 4), so that a forged SYN cannot move the flow.
    parsed.is_opening()
        && (matches!(flow.state, Flow::CLOSED | Flow::CLIENT_CLOSED)
            || idle >= limit(flow, service)
            || (flow.state == Flow::OPENING && flow.isn != parsed.sequence))
}

/// The backend of a known flow, if it may still serve it.
#[inline(always)]
fn follow<T: Tables>(tables: &T, hit: &Hit) -> Option<Choice> {
    is_served(tables, hit.tag).then(|| Choice {
        number: hit.tag.backend(),
        reason: Reason::FlowHit,
        source: hit.flow.source,
        port: hit.flow.port,
        flow: hit.place.index(),
    })
}

/// Notes that a packet of this flow came by.
#[inline(always)]
fn touch<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    hit: &Hit,
    flags: u8,
    now: u32,
) {
    if T::DRY_RUN {
        return;
    }
    let is_due = now.wrapping_sub(hit.flow.seen) >= control.seen_step;
    let state = state::next(&hit.flow, flags);
    if !is_due && state == hit.flow.state {
        return;
    }
    if state == Flow::CLOSED && hit.flow.state != Flow::CLOSED && service.counts_flows() {
        tables.flow_ended(hit.tag.backend());
    }
    let twin = flow_table::twin(tables, hit);
    // Only open flows are at hand.
    let was_open = hit.flow.state == Flow::OPEN && state != Flow::OPEN;
    mark(tables, &hit.place, now, state, was_open);
    if twin.is_some() {
        mark(tables, &twin, now, state, was_open);
    }
}

#[inline(always)]
fn mark<T: Tables>(tables: &T, place: &Place, now: u32, state: u8, was_open: bool) {
    tables.set_seen(place.bucket, place.way, now);
    tables.set_state(place.bucket, place.way, state);
    if was_open {
        tables.begin_epoch(place.seen.tag());
    }
}

/// What becomes of a packet in mid-flow whose flow is not known.
///
/// A consistent scheduler names the backend that the flow most probably has; nothing is remembered, so that a flood of
/// such packets costs no flow its place. Any other scheduler could only guess, and a translated flow's port is lost: the
/// client learns at once that its connection is gone.
#[inline(always)]
fn fall_back<T: Tables>(
    tables: &T,
    control: &Control,
    number: u32,
    service: &Service,
    hash: u64,
    parsed: &Parsed,
) -> Result<Choice, Turn> {
    let lost = unanswerable(parsed.flags, Reason::ResetNoFlow);
    if !service.is_consistent() {
        return Err(lost);
    }
    let chosen = schedule::consistent(tables, control, number, service, hash, &parsed.key.client);
    let number = u16::try_from(chosen).map_err(|_| lost)?;
    let backend = tables.backend(number).ok_or(lost)?;
    if backend.is_translated() {
        return Err(lost);
    }
    Ok(Choice {
        number,
        reason: Reason::FlowFallback,
        source: lb_common::backend::NO_SOURCE,
        port: 0,
        flow: Flow::NO_TWIN,
    })
}

/// A reset is never answered with a reset (RFC 9293 section 3.5.2).
#[inline(always)]
fn unanswerable(flags: u8, reason: Reason) -> Turn {
    if flags & tcp::RST != 0 {
        Turn::drop(Reason::StrayReset)
    } else {
        Turn::reset(reason)
    }
}

/// Tag of a flow with `hash` on `backend`.
#[inline(always)]
fn tag(hash: u64, number: u16, backend: &Backend) -> FlowTag {
    FlowTag::new(hash, number, backend.incarnation)
}
