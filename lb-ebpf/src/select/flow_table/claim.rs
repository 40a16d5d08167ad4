//! Making room: whose place a new flow takes.

use lb_common::{Control, Event, Flow, FlowTag, Service, TCP, flow::WAYS};

use super::{Hit, Place, first, nth, second, twin};
use crate::{
    select::{fragment, state::limit},
    tables::Tables,
};

/// Claims a place for a flow with this hash: its `own`, else that of one with its tag, which cannot stay, else a free
/// one, else that of the flow that is worth least. Nobody else sees the place until it is published or given back. None
/// where another CPU was faster.
#[inline(always)]
pub fn claim<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    hash: u64,
    now: u32,
    own: Place,
) -> Place {
    let buckets = [first(control, hash), second(control, hash)];
    let tag = FlowTag::tag_of(hash);
    let mut found = own;
    let mut live = false;
    if !found.is_some() {
        found = nth(tables, buckets[0], tables.tagged(buckets[0], tag));
    }
    if !found.is_some() {
        found = nth(tables, buckets[1], tables.tagged(buckets[1], tag));
    }
    if !found.is_some() {
        found = nth(tables, buckets[0], tables.free(buckets[0]));
    }
    if !found.is_some() {
        found = nth(tables, buckets[1], tables.free(buckets[1]));
    }
    if !found.is_some() {
        let least = least(tables, control, service, buckets, now);
        let bucket = if least.candidate() < WAYS {
            buckets[0]
        } else {
            buckets[1]
        };
        let way = least.candidate() % WAYS;
        if let Some(seen) = tables.tag(bucket, way)
            && seen.is_flow()
        {
            found = Place { bucket, way, seen };
        }
        live = least.is_live();
    }
    let live = tables.opaque(live);
    let place = Place {
        bucket: tables.opaque(found.bucket),
        way: tables.opaque(found.way),
        seen: FlowTag(tables.opaque(found.seen.0)),
    };
    if !place.is_some() || !take(tables, &place) {
        return Place::NONE;
    }
    if live {
        tables.count_event(Event::FlowEvicted);
    }
    if place.seen.is_flow() {
        forsake_twin(tables, &place);
    }
    place
}

/// Claims a place as it was seen, so that nobody else sees it any more, at hand or in the table; false where another CPU was
/// faster.
#[inline(always)]
pub fn take<T: Tables>(tables: &T, place: &Place) -> bool {
    let is_taken = tables.claim(place.bucket, place.way, place.seen);
    if is_taken && place.seen.is_flow() {
        tables.begin_epoch(place.seen.tag());
    }
    is_taken
}

/// Writes the flow and lets everybody see it.
#[inline(always)]
pub fn publish<T: Tables>(tables: &T, claimed: &Place, flow: &Flow, tag: FlowTag) {
    let Place { bucket, way, .. } = *claimed;
    tables.set_flow(bucket, way, flow);
    tables.publish(bucket, way, tag);
}

/// Gives a place back, whether or not a flow was published there.
#[inline(always)]
pub fn release<T: Tables>(tables: &T, claimed: &Place) {
    let Place { bucket, way, .. } = *claimed;
    let published = tables.tag(bucket, way).unwrap_or(FlowTag::FREE);
    tables.publish(bucket, way, FlowTag::FREE);
    if published.is_flow() {
        tables.begin_epoch(published.tag());
    }
}

/// Forgets the twin of the flow that stood at a place which was claimed from it: half of a translated flow is of no
/// use, and its port is somebody else's from now on.
#[inline(always)]
fn forsake_twin<T: Tables>(tables: &T, place: &Place) {
    let Some(flow) = tables.flow(place.bucket, place.way) else {
        return;
    };
    let hit = Hit {
        place: *place,
        tag: place.seen,
        flow,
    };
    let twin = twin(tables, &hit);
    if twin.is_some() && take(tables, &twin) {
        tables.publish(twin.bucket, twin.way, FlowTag::FREE);
    }
}

/// The flow of both buckets that is worth least.
#[inline(always)]
fn least<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    buckets: [u32; 2],
    now: u32,
) -> Worth {
    let mut least = Worth(u64::MAX);
    let mut candidate = 0;
    while candidate < 2 * WAYS {
        let bucket = if candidate < WAYS {
            buckets[0]
        } else {
            buckets[1]
        };
        if let Some(flow) = tables.flow(bucket, candidate % WAYS) {
            let worth = Worth::of(&flow, control, service, now, candidate);
            if worth.0 < least.0 {
                least = worth;
            }
        }
        least = tables.opaque(least);
        candidate += 1;
    }
    least
}

/// Whether it is a TCP connection that is established and not over: of UDP nobody can tell.
#[inline(always)]
const fn is_established(flow: &Flow) -> bool {
    flow.key.protocol == TCP as u32
        && flow.kind <= Flow::REPLY
        && flow.state != Flow::OPENING
        && flow.state != Flow::CLOSED
}

/// What it would cost to forget a flow: bit 63 says that it is live, bit 62 that it is an established connection, then comes
/// how recent it is, and the lowest byte says which candidate it was. So a flood of packets that begin flows makes room
/// among its own kind, however recent that is.
#[derive(Clone, Copy)]
struct Worth(u64);

impl Worth {
    #[inline(always)]
    fn of(flow: &Flow, control: &Control, service: &Service, now: u32, candidate: u32) -> Self {
        let idle = now.wrapping_sub(flow.seen);
        // The idle times are those of the newcomer's service: the flow's own would be one more look-up each.
        let limit = if flow.kind == Flow::FRAGMENT {
            fragment::lifetime(control)
        } else {
            limit(flow, service)
        };
        let live = idle < limit;
        let kind = u64::from(live) << 63 | u64::from(is_established(flow)) << 62;
        Self(kind | u64::from(!idle) << 8 | u64::from(candidate))
    }

    #[inline(always)]
    const fn candidate(self) -> u32 {
        self.0 as u32 & (2 * WAYS - 1)
    }

    #[inline(always)]
    const fn is_live(self) -> bool {
        self.0 >> 63 != 0
    }
}
