//! Fragments: later ones follow the first, by the packet's identification.

use lb_common::{Control, Flow, FlowTag, Handover, Service, flow::FlowKey, hash};

use super::flow_table::{self, Hit, Place};
use crate::{parse::Parsed, tables::Tables};

/// Ticks for which later fragments are expected: long enough for a path whose links reorder, too short for a client to
/// come round to the same identification.
#[inline(always)]
pub const fn lifetime(control: &Control) -> u32 {
    control.hz.wrapping_mul(2)
}

/// Remembers where the fragments of the packet in hand go, which is the first of them; false where it has had a first
/// fragment that went elsewhere: two packets in one, and what a backend would make of the pieces nobody knows (RFC 5722).
#[inline(always)]
pub fn remember<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    packet: &Handover,
) -> bool {
    let owner = if packet.task == Handover::TO_CLIENT {
        flow_table::read(tables, packet.flow).map(|hit| hit.tag)
    } else {
        let backend = tables.backend(packet.backend);
        backend.map(|backend| FlowTag::new(0, packet.backend, backend.incarnation))
    };
    let Some(owner) = owner else {
        return true;
    };
    let is_reply = packet.task == Handover::TO_CLIENT;
    let direction = if is_reply { Flow::REPLY } else { Flow::FORWARD };
    let now = tables.now();
    let key = FlowKey {
        ports: packet.id,
        protocol: packet.key.protocol | FlowKey::FRAGMENT,
        ..packet.key
    };
    let hash = hash::flow(&key, control.flow_seed);
    let tag = FlowTag(u64::from(FlowTag::tag_of(hash)) | owner.0 >> 32 << 32);
    let mut own = Place::NONE;
    if let Some(former) = flow_table::find_forward(tables, control, hash, &key) {
        if now.wrapping_sub(former.flow.seen) < lifetime(control) {
            let is_same = former.tag == tag
                && former.flow.state == direction
                && former.flow.source == packet.source
                && (!is_reply || former.flow.twin == packet.flow);
            return is_same;
        }
        own = former.place;
    }
    // Without a place the later fragments are early ones.
    let claimed = flow_table::claim(tables, control, service, hash, now, own);
    if claimed.is_some() {
        let flow = Flow {
            key,
            seen: now,
            state: direction,
            kind: Flow::FRAGMENT,
            source: packet.source,
            twin: packet.flow,
            service: packet.service as u16,
            port: 0,
            isn: owner.tag(),
            born: now,
        };
        flow_table::publish(tables, &claimed, &flow, tag);
    }
    true
}

/// The first fragment's entry for a later one.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, control: &Control, parsed: &Parsed) -> Option<Hit> {
    let key = key(parsed);
    let hash = hash::flow(&key, control.flow_seed);
    let hit = flow_table::find_forward(tables, control, hash, &key)?;
    let lives = tables.now().wrapping_sub(hit.flow.seen) < lifetime(control);
    (lives && hit.flow.kind == Flow::FRAGMENT).then_some(hit)
}

/// The flow that a fragment's entry points at, if it still is the one.
#[inline(always)]
pub fn flow<T: Tables>(tables: &T, fragment: &Hit) -> Option<Hit> {
    let hit = flow_table::read(tables, fragment.flow.twin)?;
    (hit.tag.tag() == fragment.flow.isn && hit.flow.kind == fragment.flow.state).then_some(hit)
}

#[inline(always)]
fn key(parsed: &Parsed) -> FlowKey {
    FlowKey {
        ports: parsed.id,
        protocol: parsed.key.protocol | FlowKey::FRAGMENT,
        ..parsed.key
    }
}
