//! The hashes of the packet path, the same on both sides.
//!
//! Multiply-and-xorshift mixing (after MurmurHash3's 64-bit finaliser): three instructions a word on the BPF
//! machine, which has no widening multiply. The flow hash is seeded with a secret.

use crate::{Address, flow::FlowKey};

const M1: u64 = 0xff51_afd7_ed55_8ccd;
const M2: u64 = 0xc4ce_b9fe_1a85_ec53;

/// Hash of a flow's key: its low half chooses the bucket, its high half is the tag.
///
/// The two words of an address are not folded in one after the other: a change of the first word's highest bit goes
/// through a single multiplication unchanged, so that another of the second could undo it, whatever the seed.
#[inline(always)]
pub fn flow(key: &FlowKey, seed: u64) -> u64 {
    let mut h = seed ^ (key.ports as u64 | (key.protocol as u64) << 32);
    h = fold(h, key.client[0]);
    h = fold(h, key.vip[0]);
    h = fold(h, key.client[1]);
    h = fold(h, key.vip[1]);
    finish(h)
}

/// A quick hash of a destination, of 16 bits, for what need not be even. `port` in network order, the way it stands in memory.
#[inline(always)]
pub const fn destination(address: &Address, port: u16, protocol: u32) -> u32 {
    let word = address[0] ^ address[1] ^ (port as u64 | (protocol as u64) << 16);
    (word.wrapping_mul(M1) >> 48) as u32
}

/// The other bucket of a flow whose hash is `hash`.
#[inline(always)]
pub const fn second(hash: u64) -> u64 {
    (hash >> 32).wrapping_mul(M2) >> 16
}

/// Hash of a client's prefix, for choices that depend on nothing else.
#[inline(always)]
pub fn client(prefix: &Address, seed: u64) -> u64 {
    finish(fold(fold(seed, prefix[0]), prefix[1]))
}

/// Another hash made of one.
#[inline(always)]
pub const fn mix(hash: u64) -> u64 {
    finish(fold(hash, M2))
}

/// Hash of a listener: its low half chooses the first bucket, its high half the second. `port` in network order, the way it stands in memory.
#[inline(always)]
pub fn listener(address: &Address, port: u16, protocol: u32, seed: u64) -> u64 {
    let mut h = seed ^ (port as u64 | (protocol as u64) << 16);
    h = fold(h, address[0]);
    h = fold(h, address[1]);
    finish(h)
}

#[inline(always)]
const fn fold(h: u64, word: u64) -> u64 {
    let h = (h ^ word).wrapping_mul(M1);
    h ^ (h >> 32)
}

#[inline(always)]
const fn finish(h: u64) -> u64 {
    let h = h.wrapping_mul(M2);
    h ^ (h >> 29)
}
