//! A map's memory as words: the agent's only `unsafe`.
#![expect(unsafe_code, reason = "this is the agent's door to shared memory")]

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    slice,
    sync::atomic::AtomicU64,
};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};

/// The values of a `BPF_F_MMAPABLE` array, shared with the kernel.
pub struct Mapped {
    region: MmapRaw,
    words: usize,
}

impl Mapped {
    /// Maps `words` words of `map`.
    ///
    /// # Errors
    /// Where the kernel refuses: the map is smaller, or was not made mappable.
    pub fn new(map: &MapData, words: usize) -> Result<Self> {
        let region = MmapOptions::new()
            .len(words * size_of::<AtomicU64>())
            .map_raw(map.fd().as_fd().as_raw_fd())
            .context("cannot map a BPF map into memory")?;
        Ok(Self { region, words })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the region is `words` words long, begins on a page and lives as long as `self`. The kernel and
        // this process both write it, in whole aligned words, which is what `AtomicU64` allows.
        unsafe { slice::from_raw_parts(self.region.as_ptr().cast(), self.words) }
    }
}
