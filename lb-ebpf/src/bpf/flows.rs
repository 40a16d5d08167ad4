//! The flow table's two maps.
#![expect(unsafe_code, reason = "this is the door to the maps")]

use core::{arch::asm, ptr};

use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use lb_common::{
    Flow, Map,
    flow::{self, FlowTags},
    maps::DEFAULT_FLOW_BUCKETS,
};

#[map(name = "LB_FLOW_TAGS")]
static FLOW_TAGS: Array<FlowTags> =
    Array::with_max_entries(Map::FlowTags.entries(DEFAULT_FLOW_BUCKETS), BPF_F_MMAPABLE);
#[map(name = "LB_FLOWS")]
static FLOWS: Array<Flow> =
    Array::with_max_entries(Map::Flows.entries(DEFAULT_FLOW_BUCKETS), BPF_F_MMAPABLE);

/// The entry at a way, valid while the program runs.
#[inline(always)]
pub fn entry(bucket: u32, way: u32) -> Option<*mut Flow> {
    FLOWS.get_ptr_mut(bucket.wrapping_mul(flow::WAYS).wrapping_add(way))
}

/// Stores one word of an entry, of the field at `offset`, which is a `u32`.
#[inline(always)]
pub fn set_word(bucket: u32, way: u32, offset: usize, value: u32) {
    if let Some(entry) = entry(bucket, way) {
        let field = entry.cast::<u8>().wrapping_add(offset).cast::<u32>();
        // SAFETY: `offset` is that of a `u32` field of the element, which is aligned to 8 bytes and valid while the
        // program runs.
        unsafe { ptr::write_volatile(field, value) };
    }
}

/// The ways of a bucket of whose tags `is` says 1 and not 0.
#[inline(always)]
pub fn ways(bucket: u32, is: impl Fn(u64) -> u64) -> u32 {
    let Some(tags) = FLOW_TAGS.get_ptr(bucket) else {
        return 0;
    };
    let tags = tags.cast::<u64>();
    let mut ways = 0;
    let mut way = 0;
    while way < flow::WAYS {
        // SAFETY: `way` is below the number of tags of a bucket; each is one aligned word, read whole.
        let word = unsafe { ptr::read_volatile(tags.add(way as usize)) };
        ways |= is(word) << way;
        way += 1;
    }
    ways as u32
}

/// 1 if the lower half of `word` is 0, else 0; without a branch, of which the verifier would follow both ways for each of
/// a bucket's tags.
#[inline(always)]
pub fn is_zero(word: u64) -> u64 {
    let mut word = word & 0xffff_ffff;
    // SAFETY: arithmetic on a register: only 0 less 1 has its highest bit set.
    unsafe {
        asm!(
            "{word} += -1",
            "{word} >>= 63",
            word = inlateout(reg) word,
            options(nostack, nomem, pure),
        );
    }
    word
}

/// The tag of a way, one aligned word that is valid while the program runs.
#[inline(always)]
pub fn tag(bucket: u32, way: u32) -> Option<*mut u64> {
    let tags = FLOW_TAGS.get_ptr_mut(bucket)?;
    let mut way = way as usize;
    // SAFETY: a mask, which the compiler must not leave out because it knows better: older verifiers do not follow the
    // arithmetic that made the number.
    unsafe {
        asm!(
            "{way} &= {most}",
            way = inlateout(reg) way,
            most = const flow::WAYS - 1,
            options(nostack, nomem, pure),
        );
    }
    Some(tags.cast::<u64>().wrapping_add(way))
}
