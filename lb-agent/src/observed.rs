//! What lies in the maps now.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    Address, Backend, BackendNote, Bound, Control, Flow, FlowTag, Link, Listener, ListenerBucket,
    Map, Ring, RingChunk, Service, ServiceNote, TCP, listener,
    maps::{MAX_BACKENDS, MAX_SERVICES, MAX_SOURCES},
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
    /// Which clients it lets in.
    pub bounds: Vec<Bound>,
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
    /// The listeners in force, in no order; those found by a pattern have port 0.
    pub listeners: Vec<Listener>,
    /// Source addresses by number.
    pub sources: BTreeMap<u16, Address>,
    /// Links by number.
    pub links: Vec<Link>,
}

/// Reads the maps.
pub fn observe(memory: &dyn Memory) -> Observed {
    let control: Control = read(memory.words(Map::Control), 0).unwrap_or_default();
    let mut observed = Observed {
        control,
        listeners: listeners(memory, &control),
        links: (0..u32::from(control.links))
            .filter_map(|number| read(memory.words(Map::Links), number))
            .collect(),
        ..Observed::default()
    };
    for number in 0..MAX_SOURCES {
        let address: Address = read(memory.words(Map::Sources), number).unwrap_or_default();
        if let Ok(number) = u16::try_from(number)
            && address != Address::default()
        {
            observed.sources.insert(number, address);
        }
    }
    for number in 1..MAX_SERVICES {
        let Some(record) = read::<Service>(memory.words(Map::Services), number) else {
            break;
        };
        if record.flags & Service::USED == 0 {
            continue;
        }
        if let Some(note) = read(memory.words(Map::ServiceNotes), number) {
            let service = ObservedService {
                record,
                note,
                slots: slots(memory, record.rings[(record.side & 1) as usize]),
                bounds: bounds(memory, record.admission),
            };
            observed.services.insert(number, service);
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
    /// Those of them that have not ended: a flow that both sides have closed lives on for its last segments alone.
    pub ongoing: BTreeMap<u16, u64>,
    /// Destinations of live flows: address, port in network order, protocol.
    pub destinations: BTreeSet<(Address, u16, u32)>,
    /// Live flows altogether.
    pub flows: u64,
}

/// Whether a flow may still carry packets at tick `now`. Entries of fragments and affinities are no flows.
pub fn is_live(flow: &Flow, service: &Service, now: u32) -> bool {
    if flow.kind > Flow::REPLY {
        return false;
    }
    let idle = now.wrapping_sub(flow.seen);
    let limit = match (flow.key.protocol == u32::from(TCP), flow.state) {
        (false, _) => service.udp_idle,
        (true, Flow::OPENING) => service.tcp_opening,
        (true, Flow::OPEN) => service.tcp_idle,
        (true, Flow::CLOSED) => service.tcp_closed,
        (true, _) => service.tcp_closing,
    };
    idle < limit
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
    let mut services: BTreeMap<u16, Service> = BTreeMap::new();
    let mut live = Live::default();
    for (tag, flow) in flows(memory) {
        let service = services.entry(flow.service).or_insert_with(|| {
            read(memory.words(Map::Services), u32::from(flow.service)).unwrap_or_default()
        });
        if is_live(&flow, service, now) && current(memory, tag) && flow.kind == Flow::FORWARD {
            *live.backends.entry(tag.backend()).or_default() += 1;
            *live.ongoing.entry(tag.backend()).or_default() +=
                u64::from(flow.state != Flow::CLOSED);
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

fn bounds(memory: &dyn Memory, place: Ring) -> Vec<Bound> {
    (place.base..place.base.saturating_add(place.len))
        .map_while(|index| read(memory.words(Map::Bounds), index))
        .collect()
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
            port: if entry.protocol & Listener::RANGE == 0 {
                entry.port
            } else {
                0
            },
            ..entry
        })
        .collect()
}
