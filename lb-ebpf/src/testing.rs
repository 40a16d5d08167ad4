//! The two doors over plain memory: the same road runs in `cargo test` and in the fuzzer.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    mem::offset_of,
    sync::atomic::{AtomicU64, Ordering},
};

use lb_common::{
    Address, Backend, Bound, Control, Cursor, Event, Flow, FlowTag, Handover, Link, ListenerBucket,
    Load, Map, Pattern, Reason, RingChunk, Service,
    cache::{self, Kept},
    counters::{BackendCounts, PacketsBytes},
    flow::WAYS,
    memory::{HostMemory, Memory, read, write},
    service::CHUNK,
};

use crate::{
    forward::front::Way,
    packet::{Header, Packet},
    pipeline,
    select::bind,
    tables::Tables,
    verdict::Outcome,
};

/// A frame in a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPacket {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Index of the interface it came by.
    pub ingress: u32,
}

/// Bytes of a [`HostPacket`].
struct HostHeader<'a, const N: usize>(&'a [u8; N]);

impl<const N: usize> HostHeader<'_, N> {
    fn word<const SIZE: usize>(&self, at: usize) -> [u8; SIZE] {
        std::array::from_fn(|byte| self.0[at + byte])
    }
}

impl<const N: usize> Header<N> for HostHeader<'_, N> {
    fn u8<const AT: usize>(&self) -> u8 {
        self.0[AT]
    }

    fn u16<const AT: usize>(&self) -> u16 {
        u16::from_ne_bytes(self.word(AT))
    }

    fn u32<const AT: usize>(&self) -> u32 {
        u32::from_ne_bytes(self.word(AT))
    }

    fn u64<const AT: usize>(&self) -> u64 {
        u64::from_ne_bytes(self.word(AT))
    }
}

impl Packet for HostPacket {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn ingress(&self) -> u32 {
        self.ingress
    }

    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header<N>> {
        let bytes = self.bytes.get(offset..offset + N)?;
        Some(HostHeader(bytes.try_into().ok()?))
    }

    fn store<const N: usize>(&mut self, offset: usize, words: &[u32; N]) -> Option<()> {
        let bytes = self.bytes.get_mut(offset..offset + 4 * N)?;
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        Some(())
    }

    fn store_u16(&mut self, offset: usize, word: u16) -> Option<()> {
        let bytes = self.bytes.get_mut(offset..offset + 2)?;
        bytes.copy_from_slice(&word.to_ne_bytes());
        Some(())
    }

    fn truncate(&mut self, len: usize) -> Option<()> {
        (len <= self.bytes.len()).then(|| self.bytes.truncate(len))
    }

    fn refront(&mut self, from: usize, to: usize) -> Option<()> {
        // The kernel keeps XDP_PACKET_HEADROOM bytes in front of a frame and leaves a frame at least its Ethernet
        // header (bpf_xdp_adjust_head in net/core/filter.c).
        const HEADROOM: usize = 256;
        if from > self.bytes.len() || to > from + HEADROOM {
            return None;
        }
        if self.bytes.len() + to < from + 14 {
            return None;
        }
        // As in a driver, whose headroom holds anything: a byte nobody writes must not go unnoticed.
        self.bytes.splice(..from, std::iter::repeat_n(0xa5, to));
        Some(())
    }
}

/// Maps in memory, counters, and a clock that stands until it is moved.
#[derive(Default)]
pub struct HostTables<const DRY: bool = false> {
    /// The maps the agent writes.
    pub memory: HostMemory,
    /// The current tick.
    pub now: Cell<u32>,
    /// Ways by destination: the host's routes.
    pub routes: RefCell<BTreeMap<Address, Way>>,
    /// What one stage told the next.
    pub handover: Cell<Handover>,
    /// Tick of the first ICMP message of this tenth of a second, and how many there were.
    pub sent: Cell<(u32, u32)>,
    /// Flows at hand: what is kept of each, by key.
    pub cache: RefCell<BTreeMap<u64, Kept>>,
    /// Whether nothing is ever at hand: then every packet goes by way of the flow table.
    pub is_forgetful: Cell<bool>,
    /// Packets and bytes by service and reason.
    pub counters: RefCell<BTreeMap<(u32, Reason), PacketsBytes>>,
    /// Packets, bytes and new flows by backend.
    pub backends: RefCell<BTreeMap<u16, BackendCounts>>,
    /// Rare events.
    pub events: RefCell<BTreeMap<Event, u64>>,
}

impl<const DRY: bool> HostTables<DRY> {
    /// Takes one packet down the road.
    pub fn run(&self, packet: &mut HostPacket) -> Outcome {
        pipeline::run(packet, self)
    }

    fn entry<T>(&self, map: Map, index: u32) -> Option<T>
    where
        T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable,
    {
        read(self.memory.words(map), index)
    }

    fn word(&self, bucket: u32, way: u32) -> Option<&AtomicU64> {
        let index = (bucket * WAYS + way % WAYS) as usize;
        self.memory.words(Map::FlowTags).get(index)
    }

    fn ways(&self, bucket: u32, is: impl Fn(FlowTag) -> bool) -> u32 {
        let ways = (0..WAYS).filter(|way| self.tag(bucket, *way).is_some_and(&is));
        ways.map(|way| 1 << way).sum()
    }

    fn add_load(&self, number: u16, offset: usize) {
        let index = usize::from(number) * size_of::<Load>() / 8 + offset / 8;
        if let Some(word) = self.memory.words(Map::Loads).get(index) {
            word.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn change_flow(&self, bucket: u32, way: u32, change: impl FnOnce(&mut Flow)) {
        if let Some(mut flow) = self.flow(bucket, way) {
            change(&mut flow);
            self.set_flow(bucket, way, &flow);
        }
    }
}

impl<const DRY: bool> Tables for HostTables<DRY> {
    const DRY_RUN: bool = DRY;

    fn control(&self) -> Option<Control> {
        self.entry(Map::Control, 0)
    }

    fn listeners(&self, index: u32) -> Option<ListenerBucket> {
        self.entry(Map::Listeners, index)
    }

    fn pattern(&self, index: u32) -> Option<Pattern> {
        self.entry(Map::Patterns, index)
    }

    fn service(&self, number: u32) -> Option<Service> {
        self.entry(Map::Services, number)
    }

    fn slot(&self, slot: u32) -> Option<u16> {
        let chunk: RingChunk = self.entry(Map::Ring, slot / CHUNK)?;
        Some(chunk[(slot % CHUNK) as usize])
    }

    fn pair(&self, slot: u32) -> Option<[u16; 2]> {
        Some([self.slot(slot)?, self.slot(slot + 1)?])
    }

    fn backend(&self, number: u16) -> Option<Backend> {
        self.entry(Map::Backends, u32::from(number))
    }

    fn load(&self, number: u16) -> Option<Load> {
        self.entry(Map::Loads, u32::from(number))
    }

    fn flow_begun(&self, number: u16) {
        self.add_load(number, offset_of!(Load, begun));
    }

    fn flow_ended(&self, number: u16) {
        self.add_load(number, offset_of!(Load, ended));
    }

    fn source(&self, number: u16) -> Option<Address> {
        self.entry(Map::Sources, u32::from(number))
    }

    fn link(&self, number: u32) -> Option<Link> {
        self.entry(Map::Links, number)
    }

    fn bound(&self, index: u32) -> Option<Bound> {
        self.entry(Map::Bounds, index)
    }

    fn filter(&self, index: u32) -> Option<u64> {
        self.entry(Map::Filter, index)
    }

    fn at_hand(&self, _hash: u64, key: u64) -> Option<Kept> {
        self.cache.borrow().get(&key).copied()
    }

    fn keep_at_hand(&self, _hash: u64, key: u64, kept: Kept) {
        if !self.is_forgetful.get() {
            self.cache.borrow_mut().insert(key, kept);
        }
    }

    fn epoch(&self, tag: u32) -> u64 {
        self.entry(Map::Epochs, cache::epoch(tag)).unwrap_or(0)
    }

    fn begin_epoch(&self, tag: u32) {
        let word = self
            .memory
            .words(Map::Epochs)
            .get(cache::epoch(tag) as usize);
        if let Some(word) = word {
            word.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn take_ticket(&self, service: u32, side: u32) -> Option<u64> {
        let index = service as usize * (size_of::<Cursor>() / 8) + (side & 1) as usize;
        let ticket = self.memory.words(Map::Cursors).get(index)?;
        Some(ticket.fetch_add(u64::from(!DRY), Ordering::SeqCst))
    }

    fn tagged(&self, bucket: u32, tag: u32) -> u32 {
        self.ways(bucket, |candidate| candidate.tag() == tag)
    }

    fn free(&self, bucket: u32) -> u32 {
        self.ways(bucket, |candidate| candidate == FlowTag::FREE)
    }

    fn tag(&self, bucket: u32, way: u32) -> Option<FlowTag> {
        Some(FlowTag(self.word(bucket, way)?.load(Ordering::SeqCst)))
    }

    fn claim(&self, bucket: u32, way: u32, seen: FlowTag) -> bool {
        self.word(bucket, way).is_some_and(|word| {
            let claimed = FlowTag::CLAIMED.0;
            word.compare_exchange(seen.0, claimed, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        })
    }

    fn publish(&self, bucket: u32, way: u32, tag: FlowTag) {
        if let Some(word) = self.word(bucket, way) {
            word.store(tag.0, Ordering::SeqCst);
        }
    }

    fn flow(&self, bucket: u32, way: u32) -> Option<Flow> {
        self.entry(Map::Flows, bucket * WAYS + way)
    }

    fn set_flow(&self, bucket: u32, way: u32, flow: &Flow) {
        write(self.memory.words(Map::Flows), bucket * WAYS + way, flow);
    }

    fn set_seen(&self, bucket: u32, way: u32, seen: u32) {
        self.change_flow(bucket, way, |flow| flow.seen = seen);
    }

    fn set_state(&self, bucket: u32, way: u32, state: u8) {
        self.change_flow(bucket, way, |flow| flow.state = state);
    }

    fn now(&self) -> u32 {
        self.now.get()
    }

    fn set_twin(&self, bucket: u32, way: u32, twin: u32) {
        self.change_flow(bucket, way, |flow| flow.twin = twin);
    }

    fn route(&self, _source: &Address, destination: &Address, _ingress: u32) -> Option<Way> {
        self.routes.borrow().get(destination).copied()
    }

    fn hand_over(&self, handover: &Handover) {
        self.handover.set(*handover);
    }

    fn set_backend(&self, number: u16) {
        self.handover.set(Handover {
            backend: number,
            ..self.handover.get()
        });
    }

    fn set_drawn(&self, drawn: u32) {
        self.handover.set(Handover {
            drawn,
            ..self.handover.get()
        });
    }

    fn set_bound(&self, bound: bind::Bound) {
        self.handover.set(Handover {
            source: bound.source(),
            port: bound.port(),
            twin: bound.twin(),
            ..self.handover.get()
        });
    }

    fn handed_over(&self) -> Option<Handover> {
        Some(self.handover.get())
    }

    fn may_send(&self, burst: u32, tenth: u32) -> bool {
        let (since, count) = self.sent.get();
        let now = self.now();
        let (since, count) = if now.wrapping_sub(since) >= tenth {
            (now, 0)
        } else {
            (since, count)
        };
        let may = count < burst;
        self.sent.set((since, count + u32::from(may)));
        may
    }

    fn opaque<T: Copy>(&self, value: T) -> T {
        value
    }

    fn count(&self, service: u32, reason: Reason, bytes: u64) {
        let mut counters = self.counters.borrow_mut();
        let counter = counters.entry((service, reason)).or_default();
        counter[0] += 1;
        counter[1] += bytes;
    }

    fn count_backend(&self, backend: u16, bytes: u64, new: bool) {
        let mut counters = self.backends.borrow_mut();
        let counter = counters.entry(backend).or_default();
        counter[0] += 1;
        counter[1] += bytes;
        counter[2] += u64::from(new);
    }

    fn count_event(&self, event: Event) {
        *self.events.borrow_mut().entry(event).or_default() += 1;
    }
}
