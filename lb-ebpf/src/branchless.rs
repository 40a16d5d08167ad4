//! Choices without a branch. The verifier follows both ways of every branch, and inside a loop both ways of each round:
//! a choice by arithmetic is one way. The compiler would make branches of plain arithmetic again, so what decides goes
//! through [`Tables::opaque`] first.

use crate::tables::Tables;

/// All bits if `word` is 0, else none.
#[inline(always)]
pub fn if_zero<T: Tables>(tables: &T, word: u64) -> u64 {
    // Only of 0 neither the number nor its negative has the highest bit.
    (tables.opaque(word | word.wrapping_neg()) >> 63).wrapping_sub(1)
}

/// All bits if `one` is less than `other`, else none; both must be below 2^63.
#[inline(always)]
pub fn if_less<T: Tables>(tables: &T, one: u64, other: u64) -> u64 {
    (tables.opaque(one.wrapping_sub(other)) >> 63).wrapping_neg()
}

/// `one` where `mask` has bits, else `other`.
#[inline(always)]
pub const fn choose(mask: u64, one: u64, other: u64) -> u64 {
    other ^ ((one ^ other) & mask)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::testing::HostTables;

    #[test]
    fn masks_are_all_or_nothing() {
        let tables = HostTables::<false>::default();
        for word in [1, 2, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
            assert_eq!(if_zero(&tables, word), 0);
        }
        assert_eq!(if_zero(&tables, 0), u64::MAX);
        for (one, other) in [(0, 1), (1, 2), (0, (1 << 63) - 1)] {
            assert_eq!(if_less(&tables, one, other), u64::MAX);
            assert_eq!(if_less(&tables, other, one), 0);
            assert_eq!(if_less(&tables, one, one), 0);
        }
        assert_eq!(choose(u64::MAX, 7, 9), 7);
        assert_eq!(choose(0, 7, 9), 9);
    }
}
