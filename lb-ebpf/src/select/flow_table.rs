//! The flow table: two possible buckets of eight ways per flow, found by tag, claimed by one compare-and-swap.
//!
//! A flow stands in its first bucket while that has room, else in its second. Only when both are full of live
//! flows is one forgotten: the one that was quiet longest. Within a bucket no two flows share a tag.

mod claim;

use lb_common::{
    Backend, Control, Flow, FlowTag,
    flow::{FlowKey, WAYS},
    hash,
};

use crate::tables::Tables;
pub use claim::{claim, publish, release, take};

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

/// No way of a bucket.
const NOWHERE: u32 = WAYS;

impl Place {
    /// No place. A value and not an `Option`, whose empty payload would be a register that nobody has written: the
    /// verifier refuses to keep such a one.
    pub const NONE: Self = Self {
        bucket: 0,
        way: NOWHERE,
        seen: FlowTag::FREE,
    };

    /// Whether it is one.
    #[inline(always)]
    pub const fn is_some(&self) -> bool {
        self.way != NOWHERE
    }

    /// The place as one number: [`Flow::twin`].
    #[inline(always)]
    pub const fn index(&self) -> u32 {
        self.bucket * WAYS + self.way
    }
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

/// Looks for the flow of a client's packet.
#[inline(always)]
pub fn find_forward<T: Tables>(
    tables: &T,
    control: &Control,
    hash: u64,
    key: &FlowKey,
) -> Option<Hit> {
    hit(tables, find(tables, control, hash, key, false)?)
}

/// Looks for the flow of a backend's packet: `key` is its five-tuple with the backend in the client's place.
#[inline(always)]
pub fn find_reply<T: Tables>(
    tables: &T,
    control: &Control,
    hash: u64,
    key: &FlowKey,
) -> Option<Hit> {
    hit(tables, find(tables, control, hash, key, true)?)
}

#[inline(always)]
fn hit<T: Tables>(tables: &T, place: Place) -> Option<Hit> {
    Some(Hit {
        place,
        tag: place.seen,
        flow: tables.flow(place.bucket, place.way)?,
    })
}

/// Looks for the place of the flow with this hash and five-tuple, which is `reply`'s: a backend's packet's, else a client's.
#[inline(always)]
pub fn find<T: Tables>(
    tables: &T,
    control: &Control,
    hash: u64,
    key: &FlowKey,
    reply: bool,
) -> Option<Place> {
    let mut bucket = first(control, hash);
    let mut found = find_in(tables, bucket, hash, key, reply);
    if found == NOWHERE {
        bucket = second(control, hash);
        found = find_in(tables, bucket, hash, key, reply);
    }
    let way = tables.opaque(found);
    if way == NOWHERE {
        return None;
    }
    let bucket = tables.opaque(bucket);
    let seen = tables.tag(bucket, way)?;
    // Another CPU may have put another flow there meanwhile.
    (seen.tag() == FlowTag::tag_of(hash)).then_some(Place { bucket, way, seen })
}

#[inline(always)]
fn find_in<T: Tables>(tables: &T, bucket: u32, hash: u64, key: &FlowKey, reply: bool) -> u32 {
    let place = nth(tables, bucket, tables.tagged(bucket, FlowTag::tag_of(hash)));
    let is = place.is_some()
        && if reply {
            is_reply(tables, &place, key)
        } else {
            is_keyed(tables, &place, key)
        };
    if is { place.way } else { NOWHERE }
}

/// The first place of a bucket among `ways`.
#[inline(always)]
fn nth<T: Tables>(tables: &T, bucket: u32, ways: u32) -> Place {
    if ways == 0 {
        return Place::NONE;
    }
    let first = ways & ways.wrapping_neg();
    // The number of the one bit that is set, without a branch: each sum carries into bit 8 if that mask holds the bit.
    let way = ((first & 0xaa) + 0xff) >> 8
        | (((first & 0xcc) + 0xff) >> 8) << 1
        | (((first & 0xf0) + 0xff) >> 8) << 2;
    let way = way & (WAYS - 1);
    match tables.tag(bucket, way) {
        Some(seen) => Place { bucket, way, seen },
        None => Place::NONE,
    }
}

/// Whether an entry that is no reply has this key.
#[inline(always)]
fn is_keyed<T: Tables>(tables: &T, place: &Place, key: &FlowKey) -> bool {
    let Some(flow) = tables.flow(place.bucket, place.way) else {
        return false;
    };
    // One comparison and not six, of which the verifier would follow each way.
    let own = &flow.key;
    let differences = own.client[0] ^ key.client[0]
        | own.client[1] ^ key.client[1]
        | own.vip[0] ^ key.vip[0]
        | own.vip[1] ^ key.vip[1]
        | u64::from(own.ports ^ key.ports)
        | u64::from(own.protocol ^ key.protocol);
    differences == 0 && flow.kind != Flow::REPLY
}

/// Whether an entry is that of a translated flow whose backend has this five-tuple.
#[inline(always)]
fn is_reply<T: Tables>(tables: &T, place: &Place, key: &FlowKey) -> bool {
    let Some(flow) = tables.flow(place.bucket, place.way) else {
        return false;
    };
    if flow.kind != Flow::REPLY
        || flow.port != key.vip_port_ne()
        || flow.key.protocol != key.protocol
    {
        return false;
    }
    let Some(backend) = tables.backend(place.seen.backend()) else {
        return false;
    };
    let backend_port = if backend.port == 0 {
        flow.key.vip_port_ne()
    } else {
        backend.port
    };
    let source = match tables.source(flow.source) {
        Some(source) => source,
        None => flow.key.client,
    };
    let differences = u64::from(backend.incarnation ^ place.seen.incarnation())
        | u64::from(backend_port ^ FlowKey::first_port_ne(key.ports))
        | backend.address[0] ^ key.client[0]
        | backend.address[1] ^ key.client[1]
        | source[0] ^ key.vip[0]
        | source[1] ^ key.vip[1];
    differences == 0
}

/// Whether another entry has the tag and five-tuple of the reply at `own`. Two CPUs that give two flows the same port
/// at once both see it, because each looks after it has published.
#[inline(always)]
pub fn has_rival<T: Tables>(
    tables: &T,
    control: &Control,
    hash: u64,
    key: &FlowKey,
    own: &Place,
) -> bool {
    rival_in(tables, first(control, hash), hash, key, own)
        || rival_in(tables, second(control, hash), hash, key, own)
}

#[inline(always)]
fn rival_in<T: Tables>(tables: &T, bucket: u32, hash: u64, key: &FlowKey, own: &Place) -> bool {
    let mut ways = tables.tagged(bucket, FlowTag::tag_of(hash));
    if bucket == own.bucket {
        ways &= !(1 << own.way);
    }
    let place = nth(tables, bucket, tables.opaque(ways));
    place.is_some() && is_reply(tables, &place, key)
}

/// The place of a flow's twin, if that still is its twin.
#[inline(always)]
pub fn twin<T: Tables>(tables: &T, hit: &Hit) -> Place {
    if hit.flow.kind > Flow::REPLY {
        return Place::NONE;
    }
    let place = place(tables, hit.flow.twin);
    if !place.is_some() || !place.seen.is_flow() {
        return Place::NONE;
    }
    match tables.flow(place.bucket, place.way) {
        Some(twin)
            if twin.twin == hit.place.index()
                && twin.kind != hit.flow.kind
                && twin.key.ports == hit.flow.key.ports
                && twin.key.client[1] == hit.flow.key.client[1] =>
        {
            place
        }
        _ => Place::NONE,
    }
}

/// The entry at this place, if one is there.
#[inline(always)]
pub fn read<T: Tables>(tables: &T, index: u32) -> Option<Hit> {
    let place = place(tables, index);
    let flow = tables.flow(place.bucket, place.way)?;
    place.seen.is_flow().then_some(Hit {
        place,
        tag: place.seen,
        flow,
    })
}

/// The place with this number, [`Flow::NO_TWIN`] for none.
#[inline(always)]
pub fn place<T: Tables>(tables: &T, index: u32) -> Place {
    let (bucket, way) = (index / WAYS, index % WAYS);
    // The number that stands for none is past the end of every table.
    match tables.tag(bucket, way) {
        Some(seen) => Place { bucket, way, seen },
        None => Place::NONE,
    }
}

/// Whether the backend of an entry still is the one the flow was given to, and may serve it.
#[inline(always)]
pub fn is_served<T: Tables>(tables: &T, tag: FlowTag) -> bool {
    tables.backend(tag.backend()).is_some_and(|backend| {
        backend.incarnation == tag.incarnation() && backend.is(Backend::SERVES)
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
