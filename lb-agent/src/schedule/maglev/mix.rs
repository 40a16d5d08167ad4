//! The hash that tables are made with: fixed for ever, because balancers of different builds must agree.

/// Identity of a backend: a hash of the names of service and backend, and of a seed. It does not depend on the backend's
/// number, its place in the file or the machine.
pub fn identity(seed: u64, service: &str, backend: &str) -> u64 {
    [service, backend].iter().fold(mix(seed), |hash, name| {
        // The length goes first, so that names cannot be shifted from one to the other.
        name.as_bytes()
            .chunks(8)
            .map(word)
            .fold(mix(hash ^ name.len() as u64), |hash, word| mix(hash ^ word))
    })
}

/// Up to eight bytes, first lowest.
fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A bijection of 64 bits in which each bit of the result depends on all bits of `value` (SplitMix64's step).
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// A number below `bound`, which is at most 2^32, by the upper half of `hash`.
pub fn below(hash: u64, bound: usize) -> usize {
    (((hash >> 32) * bound as u64) >> 32) as usize
}
