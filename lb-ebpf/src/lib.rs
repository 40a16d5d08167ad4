//! lb's data path: one source that runs in the kernel, in `cargo test` and in the fuzzer.
//!
//! Start at [`pipeline`]: it shows a packet's whole life on one screen. Bytes are reached only through
//! [`packet::Packet`], maps only through [`tables::Tables`]; the kernel's versions of both are in `bpf`, the
//! only place with `unsafe`.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        internal_features,
        reason = "BPF atomics with a result exist only as intrinsics"
    ),
    feature(core_intrinsics, asm_experimental_arch)
)]

pub mod answer;
#[cfg(target_arch = "bpf")]
pub mod bpf;
pub mod branchless;
pub mod checksum;
pub mod decap;
#[cfg(test)]
#[cfg(feature = "testing")]
mod fixtures;
pub mod forward;
pub mod header;
pub mod lookup;
pub mod packet;
pub mod parse;
pub mod pipeline;
pub mod select;
pub mod tables;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verdict;
