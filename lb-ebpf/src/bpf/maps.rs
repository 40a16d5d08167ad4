//! The maps.
#![expect(unsafe_code, reason = "this is the door to the maps")]

use core::{
    arch::asm,
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd, atomic_xchg},
    mem::offset_of,
    ptr,
};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::generated::bpf_jiffies64,
    macros::map,
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};
use lb_common::{
    Address, Backend, BackendNote, Bound, Control, Cursor, Event, Explained, Flow, FlowTag,
    Handover, Link, ListenerBucket, Load, Map, Pattern, Reason, RingChunk, Service, ServiceNote,
    cache::Kept,
    counters::{self, BackendCounts, PacketsBytes},
    maps::{COUNTERS_ENTRIES, DEFAULT_FLOW_BUCKETS, EVENTS_ENTRIES, MAX_BACKENDS},
    service::CHUNK,
};

use super::{cache, flows, route::route};
use crate::{
    forward::front::Way,
    select::bind,
    tables::Tables,
    verdict::{Outcome, Verdict},
};

const MMAPABLE: u32 = BPF_F_MMAPABLE;

const fn entries(map: Map) -> u32 {
    map.entries(DEFAULT_FLOW_BUCKETS)
}

#[map(name = "LB_CONTROL")]
static CONTROL: Array<Control> = Array::with_max_entries(entries(Map::Control), MMAPABLE);
#[map(name = "LB_LISTENERS")]
static LISTENERS: Array<ListenerBucket> =
    Array::with_max_entries(entries(Map::Listeners), MMAPABLE);
#[map(name = "LB_SERVICES")]
static SERVICES: Array<Service> = Array::with_max_entries(entries(Map::Services), MMAPABLE);
#[map(name = "LB_CURSORS")]
static CURSORS: Array<Cursor> = Array::with_max_entries(entries(Map::Cursors), MMAPABLE);
#[map(name = "LB_RING")]
static RING: Array<RingChunk> = Array::with_max_entries(entries(Map::Ring), MMAPABLE);
#[map(name = "LB_BACKENDS")]
static BACKENDS: Array<Backend> = Array::with_max_entries(entries(Map::Backends), MMAPABLE);
#[map(name = "LB_SVC_NOTES")]
static SERVICE_NOTES: Array<ServiceNote> =
    Array::with_max_entries(entries(Map::ServiceNotes), MMAPABLE);
#[map(name = "LB_BE_NOTES")]
static BACKEND_NOTES: Array<BackendNote> =
    Array::with_max_entries(entries(Map::BackendNotes), MMAPABLE);
#[map(name = "LB_EXPLAINED")]
static EXPLAINED: Array<Explained> = Array::with_max_entries(entries(Map::Explained), MMAPABLE);
#[map(name = "LB_PATTERNS")]
static PATTERNS: Array<Pattern> = Array::with_max_entries(entries(Map::Patterns), MMAPABLE);
#[map(name = "LB_SOURCES")]
static SOURCES: Array<Address> = Array::with_max_entries(entries(Map::Sources), MMAPABLE);
#[map(name = "LB_LINKS")]
static LINKS: Array<Link> = Array::with_max_entries(entries(Map::Links), MMAPABLE);
#[map(name = "LB_BOUNDS")]
static BOUNDS: Array<Bound> = Array::with_max_entries(entries(Map::Bounds), MMAPABLE);
#[map(name = "LB_FILTER")]
static FILTER: Array<u64> = Array::with_max_entries(entries(Map::Filter), MMAPABLE);
#[map(name = "LB_LOADS")]
static LOADS: Array<Load> = Array::with_max_entries(entries(Map::Loads), MMAPABLE);
#[map(name = "LB_HANDOVER")]
static HANDOVER: PerCpuArray<Handover> = PerCpuArray::with_max_entries(1, 0);
/// Tick at which this tenth of a second began, ICMP messages since.
#[map(name = "LB_RATE")]
static RATE: PerCpuArray<[u32; 2]> = PerCpuArray::with_max_entries(1, 0);
#[map(name = "LB_COUNTERS")]
static COUNTERS: PerCpuArray<PacketsBytes> = PerCpuArray::with_max_entries(COUNTERS_ENTRIES, 0);
#[map(name = "LB_BE_COUNTERS")]
static BACKEND_COUNTERS: PerCpuArray<BackendCounts> =
    PerCpuArray::with_max_entries(MAX_BACKENDS, 0);
#[map(name = "LB_EVENTS")]
static EVENTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(EVENTS_ENTRIES, 0);

/// The maps of the object; with `DRY` they are only read.
pub struct KernelTables<'a, const DRY: bool> {
    context: &'a XdpContext,
}

impl<'a, const DRY: bool> KernelTables<'a, DRY> {
    /// The maps, for the packet of `context`.
    #[inline(always)]
    pub const fn new(context: &'a XdpContext) -> Self {
        Self { context }
    }
}

/// Leaves the outcome of a dry run where the agent reads it.
#[inline(always)]
pub fn explain(outcome: &Outcome, ingress: u32, now: u32) {
    if let Some(explained) = EXPLAINED.get_ptr_mut(0) {
        let value = Explained {
            reason: outcome.reason as u32,
            service: outcome.service,
            backend: outcome.backend.map_or(Explained::NO_BACKEND, u32::from),
            ifindex: match outcome.verdict {
                Verdict::Redirect(ifindex) => ifindex,
                Verdict::Tx => ingress,
                Verdict::Pass | Verdict::Drop => 0,
            },
            now,
            reserved: 0,
        };
        // SAFETY: the pointer is to an element of the map, which the kernel never frees while the program is
        // loaded; the agent runs one dry run at a time.
        unsafe { explained.write(value) };
    }
}

#[inline(always)]
fn copy<T: Copy>(array: &Array<T>, index: u32) -> Option<T> {
    let element = array.get_ptr(index)?;
    // SAFETY: the pointer is to an element of the map, valid while the program runs. The agent may be writing
    // it: every field is an integer, so a mixed copy is still a value (see `lb_common`).
    Some(unsafe { element.read() })
}

impl<const DRY: bool> Tables for KernelTables<'_, DRY> {
    const DRY_RUN: bool = DRY;

    #[inline(always)]
    fn control(&self) -> Option<Control> {
        copy(&CONTROL, 0)
    }

    #[inline(always)]
    fn listeners(&self, index: u32) -> Option<ListenerBucket> {
        copy(&LISTENERS, index)
    }

    #[inline(always)]
    fn pattern(&self, index: u32) -> Option<Pattern> {
        copy(&PATTERNS, index)
    }

    #[inline(always)]
    fn service(&self, number: u32) -> Option<Service> {
        copy(&SERVICES, number)
    }

    #[inline(always)]
    fn slot(&self, slot: u32) -> Option<u16> {
        let chunk = RING.get_ptr(slot / CHUNK)?;
        let at = (slot % CHUNK) as usize;
        // SAFETY: `at` is below the chunk's length; the element is valid while the program runs.
        Some(unsafe { chunk.cast::<u16>().add(at).read() })
    }

    #[inline(always)]
    fn pair(&self, slot: u32) -> Option<[u16; 2]> {
        let chunk = RING.get_ptr(slot / CHUNK)?;
        let at = (slot % CHUNK / 2) as usize;
        // SAFETY: `at` is below the number of pairs of a chunk; the element is valid while the program runs.
        Some(unsafe { chunk.cast::<[u16; 2]>().add(at).read() })
    }

    #[inline(always)]
    fn backend(&self, number: u16) -> Option<Backend> {
        copy(&BACKENDS, u32::from(number))
    }

    #[inline(always)]
    fn load(&self, number: u16) -> Option<Load> {
        copy(&LOADS, u32::from(number))
    }

    #[inline(always)]
    fn flow_begun(&self, number: u16) {
        add_load(number, offset_of!(Load, begun));
    }

    #[inline(always)]
    fn flow_ended(&self, number: u16) {
        add_load(number, offset_of!(Load, ended));
    }

    #[inline(always)]
    fn source(&self, number: u16) -> Option<Address> {
        copy(&SOURCES, u32::from(number))
    }

    #[inline(always)]
    fn link(&self, number: u32) -> Option<Link> {
        copy(&LINKS, number)
    }

    #[inline(always)]
    fn bound(&self, index: u32) -> Option<Bound> {
        copy(&BOUNDS, index)
    }

    #[inline(always)]
    fn filter(&self, index: u32) -> Option<u64> {
        copy(&FILTER, index)
    }

    #[inline(always)]
    fn at_hand(&self, hash: u64, key: u64) -> Option<Kept> {
        cache::find(hash, key)
    }

    #[inline(always)]
    fn keep_at_hand(&self, hash: u64, key: u64, kept: Kept) {
        cache::keep(hash, key, kept);
    }

    #[inline(always)]
    fn epoch(&self, tag: u32) -> u64 {
        cache::epoch(tag)
    }

    #[inline(always)]
    fn begin_epoch(&self, tag: u32) {
        cache::begin_epoch(tag);
    }

    #[inline(always)]
    fn take_ticket(&self, service: u32, side: u32) -> Option<u64> {
        let cursor = CURSORS.get_ptr_mut(service)?;
        let ticket = cursor.cast::<u64>().wrapping_add((side & 1) as usize);
        // SAFETY: `tickets` lies at the start of a cursor and has two entries; the element is valid while the
        // program runs and aligned to 8 bytes as every array element is.
        Some(unsafe {
            if DRY {
                ptr::read_volatile(ticket)
            } else {
                atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(ticket, 1)
            }
        })
    }

    #[inline(always)]
    fn tagged(&self, bucket: u32, tag: u32) -> u32 {
        flows::ways(bucket, |word| flows::is_zero(u64::from(word as u32 ^ tag)))
    }

    #[inline(always)]
    fn free(&self, bucket: u32) -> u32 {
        // A tag that is claimed has its lower half empty, too.
        flows::ways(bucket, |word| flows::is_zero(word | word >> 32))
    }

    #[inline(always)]
    fn tag(&self, bucket: u32, way: u32) -> Option<FlowTag> {
        let tag = flows::tag(bucket, way)?;
        // SAFETY: `tag` points to one aligned word of the map, valid while the program runs.
        Some(FlowTag(unsafe { ptr::read_volatile(tag) }))
    }

    #[inline(always)]
    fn claim(&self, bucket: u32, way: u32, seen: FlowTag) -> bool {
        let Some(tag) = flows::tag(bucket, way) else {
            return false;
        };
        // SAFETY: `tag` points to one aligned word of the map, valid while the program runs.
        let (_, claimed) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                tag,
                seen.0,
                FlowTag::CLAIMED.0,
            )
        };
        claimed
    }

    #[inline(always)]
    fn publish(&self, bucket: u32, way: u32, published: FlowTag) {
        if let Some(tag) = flows::tag(bucket, way) {
            // SAFETY: as in `claim`; this CPU holds the claim, so nobody else writes the word. An exchange and not a
            // store, because what this CPU reads next must not be older than what others now see (`bind`).
            let _ = unsafe { atomic_xchg::<u64, { AtomicOrdering::SeqCst }>(tag, published.0) };
        }
    }

    #[inline(always)]
    fn flow(&self, bucket: u32, way: u32) -> Option<Flow> {
        let entry = flows::entry(bucket, way)?;
        // SAFETY: as in `copy`.
        Some(unsafe { entry.read() })
    }

    #[inline(always)]
    fn set_flow(&self, bucket: u32, way: u32, flow: &Flow) {
        if let Some(entry) = flows::entry(bucket, way) {
            // SAFETY: the pointer is to an element of the map, valid while the program runs; the caller holds
            // the claim on this way.
            unsafe { entry.write(*flow) };
        }
    }

    #[inline(always)]
    fn set_seen(&self, bucket: u32, way: u32, seen: u32) {
        flows::set_word(bucket, way, offset_of!(Flow, seen), seen);
    }

    #[inline(always)]
    fn set_state(&self, bucket: u32, way: u32, state: u8) {
        if let Some(entry) = flows::entry(bucket, way) {
            let field = entry.cast::<u8>().wrapping_add(offset_of!(Flow, state));
            // SAFETY: as in `set_word`.
            unsafe { ptr::write_volatile(field, state) };
        }
    }

    #[inline(always)]
    fn set_twin(&self, bucket: u32, way: u32, twin: u32) {
        flows::set_word(bucket, way, offset_of!(Flow, twin), twin);
    }

    #[inline(always)]
    fn route(&self, source: &Address, destination: &Address, ingress: u32) -> Option<Way> {
        route(self.context, source, destination, ingress)
    }

    #[inline(always)]
    fn hand_over(&self, handover: &Handover) {
        if let Some(entry) = HANDOVER.get_ptr_mut(0) {
            // SAFETY: the element is this CPU's own, and XDP programs do not interrupt each other on a CPU.
            unsafe { entry.write(*handover) };
        }
    }

    #[inline(always)]
    fn set_backend(&self, number: u16) {
        if let Some(entry) = HANDOVER.get_ptr_mut(0) {
            // SAFETY: as in `hand_over`.
            unsafe { (*entry).backend = number };
        }
    }

    #[inline(always)]
    fn set_drawn(&self, drawn: u32) {
        if let Some(entry) = HANDOVER.get_ptr_mut(0) {
            // SAFETY: as in `hand_over`.
            unsafe { (*entry).drawn = drawn };
        }
    }

    #[inline(always)]
    fn set_bound(&self, bound: bind::Bound) {
        if let Some(entry) = HANDOVER.get_ptr_mut(0) {
            // SAFETY: as in `hand_over`.
            unsafe {
                (*entry).source = bound.source();
                (*entry).port = bound.port();
                (*entry).twin = bound.twin();
            }
        }
    }

    #[inline(always)]
    fn handed_over(&self) -> Option<Handover> {
        let entry = HANDOVER.get_ptr(0)?;
        // SAFETY: as in `hand_over`.
        Some(unsafe { entry.read() })
    }

    #[inline(always)]
    fn may_send(&self, burst: u32, tenth: u32) -> bool {
        let Some(rate) = RATE.get_ptr_mut(0) else {
            return false;
        };
        // SAFETY: as in `hand_over`.
        let [since, sent] = unsafe { &mut *rate };
        let now = self.now();
        if now.wrapping_sub(*since) >= tenth {
            *since = now;
            *sent = 0;
        }
        let may = *sent < burst;
        *sent += u32::from(may);
        may
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        // SAFETY: the helper takes nothing and cannot fail.
        (unsafe { bpf_jiffies64() }) as u32
    }

    #[inline(always)]
    fn opaque<T: Copy>(&self, value: T) -> T {
        const { assert!(size_of::<T>() <= 8) }
        let mut word = 0_u64;
        // SAFETY: the value's bytes go into the word and come out of it; two exclusive ors with the same register
        // leave it as it was.
        unsafe {
            ptr::from_mut(&mut word).cast::<T>().write(value);
            asm!(
                "{word} ^= {any}",
                "{word} ^= {any}",
                word = inlateout(reg) word,
                any = in(reg) bpf_jiffies64(),
                options(nostack, nomem, pure),
            );
            ptr::from_ref(&word).cast::<T>().read()
        }
    }

    #[inline(always)]
    fn count(&self, service: u32, reason: Reason, bytes: u64) {
        if let Some(counter) = COUNTERS.get_ptr_mut(counters::index(service, reason)) {
            // SAFETY: the element is this CPU's own, and XDP programs do not interrupt each other on a CPU.
            let counter = unsafe { &mut *counter };
            counter[0] += 1;
            counter[1] += bytes;
        }
    }

    #[inline(always)]
    fn count_backend(&self, backend: u16, bytes: u64, new: bool) {
        if let Some(counter) = BACKEND_COUNTERS.get_ptr_mut(u32::from(backend)) {
            // SAFETY: as in `count`.
            let counter = unsafe { &mut *counter };
            counter[0] += 1;
            counter[1] += bytes;
            counter[2] += u64::from(new);
        }
    }

    #[inline(always)]
    fn count_event(&self, event: Event) {
        if let Some(counter) = EVENTS.get_ptr_mut(event as u32) {
            // SAFETY: as in `count`.
            unsafe { *counter += 1 };
        }
    }
}

#[inline(always)]
fn add_load(number: u16, offset: usize) {
    if let Some(load) = LOADS.get_ptr_mut(u32::from(number)) {
        let field = load.cast::<u8>().wrapping_add(offset).cast::<u64>();
        // SAFETY: the field is an aligned word of the element, which is valid while the program runs.
        let _ = unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(field, 1) };
    }
}
