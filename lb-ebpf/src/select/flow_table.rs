//! The flow table: two possible buckets of eight ways per flow, found by tag, claimed by one compare-and-swap.
//!
//! A flow stands in its first bucket while that has room, else in its second. Only when both are full of live
//! flows is one forgotten: the one that was quiet longest. Within a bucket no two flows share a tag.

use lb_common::{
    Control, Event, Flow, FlowTag, Service, TCP,
    flow::{FlowKey, FlowTags, WAYS},
    hash,
};

use super::Newcomer;
use crate::tables::Tables;

/// Where a flow stands, or will.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Bucket.
    pub bucket: u32,
    /// Way in the bucket.
    pub way: u32,
    /// What the tag was when the place was looked at.
    pub seen: FlowTag,
}

/// A flow that is known.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Where it stands.
    pub place: Place,
    /// Its tag: the backend and that backend's incarnation.
    pub tag: FlowTag,
    /// The rest.
    pub flow: Flow,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug)]
pub enum Sought {
    /// The flow.
    Found(Hit),
    /// Not the flow. If another one has its tag, then the place is that one's and must be the new one's too.
    Missing(Option<Place>),
}

/// Seconds after which a closed flow is forgotten before any live one.
const CLOSED_LINGERS_S: u32 = 10;

/// Looks for the flow with this key and hash.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, control: &Control, hash: u64, key: &FlowKey) -> Sought {
    match find_in(tables, first(control, hash), hash, key) {
        Sought::Missing(None) => find_in(tables, second(control, hash), hash, key),
        Sought::Missing(collision) => match find_in(tables, second(control, hash), hash, key) {
            Sought::Missing(_) => Sought::Missing(collision),
            found => found,
        },
        found => found,
    }
}

#[inline(always)]
fn find_in<T: Tables>(tables: &T, bucket: u32, hash: u64, key: &FlowKey) -> Sought {
    let Some(tags) = tables.tags(bucket) else {
        return Sought::Missing(None);
    };
    let Some((way, tag)) = matching(&tags, FlowTag::tag_of(hash)) else {
        return Sought::Missing(None);
    };
    let Some(flow) = tables.flow(bucket, way) else {
        return Sought::Missing(None);
    };
    let place = Place {
        bucket,
        way,
        seen: tag,
    };
    if same(&flow.key, key) {
        Sought::Found(Hit { place, tag, flow })
    } else {
        Sought::Missing(Some(place))
    }
}

#[inline(always)]
fn matching(tags: &FlowTags, tag: u32) -> Option<(u32, FlowTag)> {
    let mut way = WAYS;
    let mut word = 0;
    let mut at = 0;
    while at < WAYS {
        let candidate = tags[at as usize];
        if FlowTag(candidate).tag() == tag {
            way = at;
            word = candidate;
        }
        at += 1;
    }
    (way < WAYS).then_some((way, FlowTag(word)))
}

#[inline(always)]
fn same(one: &FlowKey, other: &FlowKey) -> bool {
    one.client[1] == other.client[1]
        && one.ports == other.ports
        && one.protocol == other.protocol
        && one.vip[1] == other.vip[1]
        && one.client[0] == other.client[0]
        && one.vip[0] == other.vip[0]
}

/// Remembers the newcomer under `tag`, at its place if it has one.
#[inline(always)]
pub fn record<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    newcomer: &Newcomer,
    tag: FlowTag,
) {
    let Some(place) = claim(tables, control, service, newcomer) else {
        tables.count_event(Event::FlowUnrecorded);
        return;
    };
    tables.set_flow(place.bucket, place.way, &newcomer.flow);
    tables.publish(place.bucket, place.way, tag);
}

/// Claims a place: the newcomer's own, else a free one, else that of the flow that is worth least. A step that
/// loses its place to another CPU leaves it to the next.
#[inline(always)]
fn claim<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    newcomer: &Newcomer,
) -> Option<Place> {
    let take = |place: &Place| tables.claim(place.bucket, place.way, place.seen);
    // A place that is given is the flow's own, or that of one with its tag, which cannot stay.
    if let Some(place) = newcomer.place.filter(take) {
        return Some(place);
    }
    let buckets = [
        first(control, newcomer.hash),
        second(control, newcomer.hash),
    ];
    if let Some(place) = free(tables, buckets[0]).filter(take) {
        return Some(place);
    }
    if let Some(place) = free(tables, buckets[1]).filter(take) {
        return Some(place);
    }
    let (place, live) = least(tables, control, service, buckets, newcomer.flow.seen)?;
    let taken = take(&place);
    if taken && live {
        tables.count_event(Event::FlowEvicted);
    }
    taken.then_some(place)
}

/// The flow of both buckets that is worth least, and whether it is live.
#[inline(always)]
fn least<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    buckets: [u32; 2],
    now: u32,
) -> Option<(Place, bool)> {
    let mut least = Worth(u64::MAX);
    let mut candidate = 0;
    while candidate < 2 * WAYS {
        let bucket = if candidate < WAYS {
            buckets[0]
        } else {
            buckets[1]
        };
        let flow = tables.flow(bucket, candidate % WAYS)?;
        let worth = Worth::of(&flow, control, service, now, candidate);
        if worth.0 < least.0 {
            least = worth;
        }
        least = tables.opaque(least);
        candidate += 1;
    }
    let bucket = if least.candidate() < WAYS {
        buckets[0]
    } else {
        buckets[1]
    };
    let way = least.candidate() % WAYS;
    let seen = tables.tag(bucket, way)?;
    seen.is_flow()
        .then_some((Place { bucket, way, seen }, least.is_live()))
}

/// What it would cost to forget a flow: bit 63 says that it is live, then comes how recent it is, and the lowest
/// byte says which candidate it was.
#[derive(Clone, Copy)]
struct Worth(u64);

impl Worth {
    #[inline(always)]
    fn of(flow: &Flow, control: &Control, service: &Service, now: u32, candidate: u32) -> Self {
        let idle = now.wrapping_sub(flow.seen);
        let closed =
            flow.state == Flow::CLOSED && idle >= CLOSED_LINGERS_S.wrapping_mul(control.hz);
        // The idle times are those of the newcomer's service: the flow's own would be one more look-up each.
        let limit = if flow.key.protocol == u32::from(TCP) {
            service.tcp_idle
        } else {
            service.udp_idle
        };
        let live = !(closed || idle >= limit);
        Self(u64::from(live) << 63 | u64::from(!idle) << 8 | u64::from(candidate))
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

#[inline(always)]
fn free<T: Tables>(tables: &T, bucket: u32) -> Option<Place> {
    let tags = tables.tags(bucket)?;
    let mut way = WAYS;
    let mut at = 0;
    while at < WAYS {
        if tags[at as usize] == FlowTag::FREE.0 {
            way = at;
        }
        at += 1;
    }
    let way = tables.opaque(way);
    (way < WAYS).then_some(Place {
        bucket,
        way,
        seen: FlowTag::FREE,
    })
}

#[inline(always)]
fn first(control: &Control, hash: u64) -> u32 {
    hash as u32 & control.flow_mask
}

#[inline(always)]
fn second(control: &Control, hash: u64) -> u32 {
    hash::second(hash) as u32 & control.flow_mask
}
