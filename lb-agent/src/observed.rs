//! What lies in the maps now.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    Address, Backend, BackendNote, Control, Flow, FlowTag, Listener, ListenerBucket, Map, Ring,
    RingChunk, Service, ServiceNote, TCP, listener,
    maps::{MAX_BACKENDS, MAX_SERVICES},
    memory::{Memory, read},
    service::CHUNK,
};

/// One service in the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedService {
    /// Its record.
    pub record: Service,
    /// Who holds the number.
    pub note: ServiceNote,
    /// The slots of the ring in force.
    pub slots: Vec<u16>,
}

/// Everything the agent's predecessors, or it itself, wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The global state.
    pub control: Control,
    /// Services by number.
    pub services: BTreeMap<u32, ObservedService>,
    /// Backends by number.
    pub backends: BTreeMap<u16, (Backend, BackendNote)>,
    /// Incarnations of free backend numbers that were used before.
    pub incarnations: BTreeMap<u16, u16>,
    /// The listeners in force, in no order.
    pub listeners: Vec<Listener>,
}

/// Reads the maps.
pub fn observe(memory: &dyn Memory) -> Observed {
    let control: Control = read(memory.words(Map::Control), 0).unwrap_or_default();
    let mut observed = Observed {
        control,
        listeners: listeners(memory, &control),
        ..Observed::default()
    };
    for number in 1..MAX_SERVICES {
        let Some(record) = read::<Service>(memory.words(Map::Services), number) else {
            break;
        };
        if record.flags & Service::USED == 0 {
            continue;
        }
        if let Some(note) = read(memory.words(Map::ServiceNotes), number) {
            let slots = slots(memory, record.rings[(record.side & 1) as usize]);
            observed.services.insert(
                number,
                ObservedService {
                    record,
                    note,
                    slots,
                },
            );
        }
    }
    for number in 0..MAX_BACKENDS {
        let Some(record) = read::<Backend>(memory.words(Map::Backends), number) else {
            break;
        };
        let Ok(index) = u16::try_from(number) else {
            break;
        };
        if record.is(Backend::USED) {
            if let Some(note) = read(memory.words(Map::BackendNotes), number) {
                observed.backends.insert(index, (record, note));
            }
        } else if record.incarnation != 0 {
            observed.incarnations.insert(index, record.incarnation);
        }
    }
    observed
}

/// Which backends and listeners live flows use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Live flows by backend number.
    pub backends: BTreeMap<u16, u64>,
    /// Destinations of live flows: address, port in network order, protocol.
    pub destinations: BTreeSet<(Address, u16, u32)>,
    /// Live flows altogether.
    pub flows: u64,
}

/// Seconds after which a flow that the client closed is over for good.
const CLOSED_LINGERS_S: u32 = 10;

/// Whether a flow may still carry packets at tick `now`.
pub fn is_live(flow: &Flow, service: &Service, hz: u32, now: u32) -> bool {
    let idle = now.wrapping_sub(flow.seen);
    let limit = if flow.key.protocol == u32::from(TCP) {
        service.tcp_idle
    } else {
        service.udp_idle
    };
    let closed = flow.state == Flow::CLOSED && idle >= CLOSED_LINGERS_S.saturating_mul(hz);
    !closed && idle < limit
}

/// Every entry of the flow table, over or not, with its tag.
pub fn flows(memory: &dyn Memory) -> impl Iterator<Item = (FlowTag, Flow)> {
    let tags = memory.words(Map::FlowTags);
    (0_u32..).zip(tags).filter_map(move |(index, word)| {
        let tag = FlowTag(word.load(std::sync::atomic::Ordering::Acquire));
        tag.is_flow().then_some(())?;
        Some((tag, read(memory.words(Map::Flows), index)?))
    })
}

/// Looks through the flow table.
pub fn live(memory: &dyn Memory, now: u32) -> Live {
    let control: Control = read(memory.words(Map::Control), 0).unwrap_or_default();
    let mut services: BTreeMap<u32, Service> = BTreeMap::new();
    let mut live = Live::default();
    for (tag, flow) in flows(memory) {
        let service = services
            .entry(flow.service)
            .or_insert_with(|| read(memory.words(Map::Services), flow.service).unwrap_or_default());
        if is_live(&flow, service, control.hz, now) && current(memory, tag) {
            *live.backends.entry(tag.backend()).or_default() += 1;
            let key = &flow.key;
            live.destinations
                .insert((key.vip, key.vip_port_ne(), key.protocol));
            live.flows += 1;
        }
    }
    live
}

/// Whether a tag's backend still is the one the flow was given to, and may serve it.
fn current(memory: &dyn Memory, tag: FlowTag) -> bool {
    read::<Backend>(memory.words(Map::Backends), u32::from(tag.backend())).is_some_and(|backend| {
        backend.incarnation == tag.incarnation() && backend.is(Backend::SERVES)
    })
}

fn slots(memory: &dyn Memory, ring: Ring) -> Vec<u16> {
    let mut slots = Vec::with_capacity(ring.len as usize);
    let mut chunk = ring.base / CHUNK;
    while slots.len() < ring.len as usize {
        let Some(entry) = read::<RingChunk>(memory.words(Map::Ring), chunk) else {
            break;
        };
        slots.extend(entry.iter().take(ring.len as usize - slots.len()));
        chunk += 1;
    }
    slots
}

fn listeners(memory: &dyn Memory, control: &Control) -> Vec<Listener> {
    let side = (control.listener_side & 1) as usize;
    let base = if side == 0 { 0 } else { listener::MAX_BUCKETS };
    (base..=base + control.listener_mask[side])
        .filter_map(|index| read::<ListenerBucket>(memory.words(Map::Listeners), index))
        .flat_map(|bucket| bucket.entries)
        .filter(|entry| entry.protocol != 0)
        .map(|entry| Listener {
            flags: entry.flags & Listener::CLOSING,
            ..entry
        })
        .collect()
}
