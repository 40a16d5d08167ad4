//! Which backend a packet goes to: its flow's, or the scheduler's choice. The only writer of flows.
//!
//! Every packet proves that its backend may still serve it. If it may not, a packet that may begin a flow is
//! scheduled anew and anything else is answered with a reset; nothing is dropped in silence.

mod flow_table;
mod round_robin;

use lb_common::{Backend, Control, Flow, FlowTag, Reason, hash};

use crate::{header::tcp, lookup::Found, parse::Parsed, tables::Tables, verdict::Exit};
use flow_table::{Hit, Place, Sought};

/// The backend a packet goes to.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Its number.
    pub number: u16,
    /// Its record.
    pub backend: Backend,
    /// How it was chosen.
    pub reason: Reason,
}

/// Chooses, and remembers the choice.
#[inline(always)]
pub fn select<T: Tables>(
    tables: &T,
    control: &Control,
    found: &Found,
    parsed: &Parsed,
) -> Result<Choice, Exit> {
    let now = tables.now();
    let hash = hash::flow(&parsed.key, control.flow_seed);
    let (place, reason) = match flow_table::find(tables, control, hash, &parsed.key) {
        Sought::Found(hit) => {
            let reused = begins_anew(&hit.flow, parsed, found, now);
            if !reused {
                if let Some(choice) = follow(tables, &hit) {
                    touch(tables, control, &hit, parsed, now);
                    return Ok(choice);
                }
                if !parsed.is_opening() {
                    return Err(unanswerable(parsed, Reason::ResetBackendGone));
                }
            }
            let reason = if reused {
                Reason::FlowReused
            } else {
                Reason::FlowMoved
            };
            (Some(hit.place), tables.opaque(reason))
        }
        Sought::Missing(place) => (place, Reason::FlowNew),
    };
    if found.closing {
        return Err(Exit::pass(Reason::Closing));
    }
    if !parsed.is_opening() {
        return Err(unanswerable(parsed, Reason::ResetNoFlow));
    }
    let newcomer = Newcomer {
        flow: Flow {
            key: parsed.key,
            seen: now,
            state: if parsed.is_tcp() {
                Flow::OPENING
            } else {
                Flow::OPEN
            },
            isn: parsed.sequence,
            service: found.number,
            born: now,
            reserved: 0,
        },
        hash,
        place,
    };
    let chosen = u16::try_from(begin(tables, &newcomer)).ok();
    let chosen = chosen.and_then(|number| Some((number, tables.backend(number)?)));
    let Some((number, backend)) = chosen else {
        return Err(if parsed.is_tcp() {
            Exit::reset(Reason::ResetNoBackend)
        } else {
            Exit::drop(Reason::NoBackend)
        });
    };
    Ok(Choice {
        number,
        backend,
        reason,
    })
}

/// A flow to be: everything is known but its backend.
struct Newcomer {
    flow: Flow,
    hash: u64,
    place: Option<Place>,
}

/// What [`begin`] returns where no backend may be given a new flow.
const NONE: u32 = u32::MAX;

/// Lets the scheduler choose a backend for the newcomer and remembers it. A function of its own because its
/// tables would not fit into the stack frame of the road, which established flows take without a call.
#[inline(never)]
fn begin<T: Tables>(tables: &T, newcomer: &Newcomer) -> u32 {
    let number = newcomer.flow.service;
    let (Some(control), Some(service)) = (tables.control(), tables.service(number)) else {
        return NONE;
    };
    let Some((number, backend)) = round_robin::choose(tables, number, &service) else {
        return NONE;
    };
    if !T::DRY_RUN {
        let tag = FlowTag::new(newcomer.hash, number, backend.incarnation);
        flow_table::record(tables, &control, &service, newcomer, tag);
    }
    u32::from(number)
}

/// Whether this packet, although its flow is known, begins another one on the same five-tuple.
#[inline(always)]
fn begins_anew(flow: &Flow, parsed: &Parsed, found: &Found, now: u32) -> bool {
    let idle = now.wrapping_sub(flow.seen);
    if !parsed.is_tcp() {
        return idle >= found.service.udp_idle;
    }
    // An established flow that is neither closed nor stale keeps its backend: that backend answers the SYN with a
    // challenge ACK (RFC 5961 section 4), so that a forged SYN cannot move the flow.
    parsed.is_opening()
        && (flow.state == Flow::CLOSED
            || idle >= found.service.tcp_idle
            || (flow.state == Flow::OPENING && flow.isn != parsed.sequence))
}

#[inline(always)]
fn follow<T: Tables>(tables: &T, hit: &Hit) -> Option<Choice> {
    let number = hit.tag.backend();
    let backend = tables.backend(number)?;
    (backend.incarnation == hit.tag.incarnation() && backend.is(Backend::SERVES)).then_some(
        Choice {
            number,
            backend,
            reason: Reason::FlowHit,
        },
    )
}

#[inline(always)]
fn touch<T: Tables>(tables: &T, control: &Control, hit: &Hit, parsed: &Parsed, now: u32) {
    if T::DRY_RUN {
        return;
    }
    let Place { bucket, way, .. } = hit.place;
    if now.wrapping_sub(hit.flow.seen) >= control.seen_step {
        tables.set_seen(bucket, way, now);
    }
    if parsed.is_tcp() {
        let state = if parsed.flags & (tcp::FIN | tcp::RST) != 0 {
            Flow::CLOSED
        } else if parsed.flags & tcp::SYN == 0 && hit.flow.state == Flow::OPENING {
            Flow::OPEN
        } else {
            hit.flow.state
        };
        if state != hit.flow.state {
            tables.set_state(bucket, way, state);
        }
    }
}

/// A reset is never answered with a reset (RFC 9293 section 3.5.2).
#[inline(always)]
fn unanswerable(parsed: &Parsed, reason: Reason) -> Exit {
    if parsed.flags & tcp::RST != 0 {
        Exit::drop(Reason::StrayReset)
    } else {
        Exit::reset(reason)
    }
}
