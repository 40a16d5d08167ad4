//! Maps as plain words: how the agent writes what the kernel reads, and what stands in for the kernel in tests.

use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Map, maps::DEFAULT_FLOW_BUCKETS};

/// Something that holds every [`Map`] as words.
pub trait Memory {
    /// All words of `map`, entry after entry.
    fn words(&self, map: Map) -> &[AtomicU64];
}

/// Reads entry `index`, or `None` past the end.
///
/// Word by word: a record that is being written may be seen half new. Every record is laid out so that this
/// does no harm.
pub fn read<T: FromBytes + IntoBytes + Immutable>(words: &[AtomicU64], index: u32) -> Option<T> {
    let mut value = T::new_zeroed();
    let entry = entry::<T>(words, index)?;
    for (bytes, word) in value.as_mut_bytes().chunks_exact_mut(8).zip(entry) {
        bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    Some(value)
}

/// Writes entry `index`, word 0 last; false past the end.
///
/// Word 0 is the one that puts a record in force, so a reader that sees it new sees the rest new.
pub fn write<T: IntoBytes + Immutable>(words: &[AtomicU64], index: u32, value: &T) -> bool {
    let Some(entry) = entry::<T>(words, index) else {
        return false;
    };
    for (word, bytes) in entry.iter().zip(value.as_bytes().chunks_exact(8)).rev() {
        let mut raw = [0; 8];
        raw.copy_from_slice(bytes);
        word.store(u64::from_ne_bytes(raw), Ordering::Release);
    }
    true
}

fn entry<T>(words: &[AtomicU64], index: u32) -> Option<&[AtomicU64]> {
    const { assert!(size_of::<T>().is_multiple_of(8)) }
    let per_entry = size_of::<T>() / 8;
    let from = usize::try_from(index).ok()?.checked_mul(per_entry)?;
    words.get(from..from.checked_add(per_entry)?)
}

/// Maps in the process's own memory.
pub struct HostMemory {
    maps: Vec<Vec<AtomicU64>>,
}

impl HostMemory {
    /// Zeroed maps with a flow table of `flow_buckets` buckets.
    pub fn new(flow_buckets: u32) -> Self {
        let zeroed = |map: &Map| {
            let words = map.entries(flow_buckets) as usize * map.value_bytes() / 8;
            (0..words).map(|_| AtomicU64::new(0)).collect()
        };
        Self {
            maps: Map::ALL.iter().map(zeroed).collect(),
        }
    }
}

impl Default for HostMemory {
    fn default() -> Self {
        Self::new(DEFAULT_FLOW_BUCKETS)
    }
}

impl Memory for HostMemory {
    fn words(&self, map: Map) -> &[AtomicU64] {
        &self.maps[map as usize]
    }
}
