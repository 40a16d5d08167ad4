//! The flow cache's two maps.
#![expect(unsafe_code, reason = "this is the door to the maps")]

use core::{
    intrinsics::{AtomicOrdering, atomic_xadd},
    ptr,
};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE, helpers::generated::bpf_get_smp_processor_id, macros::map,
    maps::Array,
};
use lb_common::{
    Map,
    cache::{self, Kept, LINES, Line, WAYS},
    maps::DEFAULT_FLOW_BUCKETS,
};

/// As large as one CPU needs it: the agent knows how many there are. Mappable, although nobody maps it, because the
/// values of such a map begin on a page, and so each lies in one cache line.
#[map(name = "LB_CACHE")]
static CACHE: Array<Line> = Array::with_max_entries(LINES, BPF_F_MMAPABLE);
#[map(name = "LB_EPOCHS")]
static EPOCHS: Array<u64> =
    Array::with_max_entries(Map::Epochs.entries(DEFAULT_FLOW_BUCKETS), BPF_F_MMAPABLE);

/// What is kept under `key`.
#[inline(always)]
pub fn find(hash: u64, key: u64) -> Option<Kept> {
    let line = line(hash)?;
    let mut way = 0;
    while way < WAYS {
        // SAFETY: `line` is this CPU's own, where XDP programs do not interrupt each other, and `way` is below its
        // number of ways.
        let (is, kept) = unsafe { ((*line).keys[way] == key, (*line).kept[way]) };
        if is {
            return Some(Kept(kept));
        }
        way += 1;
    }
    None
}

/// Keeps a flow: where nothing is that is of use in its turn of the clock, else in place of any other. Of flows that come
/// one after the other and are too many for their line, some then stay.
#[inline(always)]
pub fn keep(hash: u64, key: u64, kept: Kept) {
    let Some(line) = line(hash) else {
        return;
    };
    // SAFETY: as in `find`.
    let line = unsafe { &mut *line };
    let is_free = |way: usize| line.keys[way] == 0 || Kept(line.kept[way]).is_past(kept);
    let way = if is_free(0) {
        0
    } else if is_free(1) {
        1
    } else if is_free(2) {
        2
    } else if is_free(3) {
        3
    } else {
        let [a, b, c, d] = line.keys;
        (a ^ b ^ c ^ d ^ key) >> 62
    };
    // One store for each way, whose offsets the verifier knows.
    match way {
        0 => put::<0>(line, key, kept),
        1 => put::<1>(line, key, kept),
        2 => put::<2>(line, key, kept),
        _ => put::<3>(line, key, kept),
    }
}

#[inline(always)]
const fn put<const WAY: usize>(line: &mut Line, key: u64, kept: Kept) {
    line.keys[WAY] = key;
    line.kept[WAY] = kept.0;
}

/// The current epoch of flows with this tag.
#[inline(always)]
pub fn epoch(tag: u32) -> u64 {
    match EPOCHS.get_ptr(cache::epoch(tag)) {
        // SAFETY: an aligned word of the map, valid while the program runs.
        Some(epoch) => unsafe { ptr::read_volatile(epoch) },
        None => 0,
    }
}

/// Begins a new epoch for flows with this tag.
#[inline(always)]
pub fn begin_epoch(tag: u32) {
    if let Some(epoch) = EPOCHS.get_ptr_mut(cache::epoch(tag)) {
        // SAFETY: as in `epoch`.
        let _ = unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(epoch, 1) };
    }
}

#[inline(always)]
fn line(hash: u64) -> Option<*mut Line> {
    // SAFETY: the helper takes nothing and cannot fail.
    let cpu = unsafe { bpf_get_smp_processor_id() } as u32;
    CACHE.get_ptr_mut(cpu.wrapping_mul(LINES).wrapping_add(cache::line(hash)))
}
