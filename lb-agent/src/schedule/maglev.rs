//! Tables of the consistent schedulers: Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4) with weights, and with
//! a repair that moves nothing it need not.
//!
//! A table is a function of the members alone: of their identities, weights and health. It has no history and does not
//! depend on their order, so balancers that see the same members have the same table.
//!
//! # Two steps
//!
//! The *first table* is Maglev's, over all members with weight, usable or not. The *repair* gives each slot of an
//! unusable member an heir: it follows a sequence of members, fixed for each slot by the first table, to the first
//! usable one. A member that becomes unusable therefore loses exactly the slots it has, and one that becomes usable
//! takes exactly the slots it will have; no other slot changes, whoever else is unusable. (Maglev alone also moves slots
//! between members that stay.)
//!
//! # How even
//!
//! With every member usable, of *n* members one of weight w has its exact share, len * w / sum of weights, to within
//! two slots and n / len of the share; and one slot at least, where `len` >= n. At [`size`] slots n / len is at most
//! 1 %. Equal weights differ by one slot. While one member is unusable, the others have its slots by weight, to within
//! one slot each. While several are, what would pass from one of them to another is drawn by hash, so that a member is
//! off by about the square root of the slots it inherits. The proofs stand where each step is.
//!
//! A change of weight moves the slots that it must and some more, and so does a backend that is added or removed;
//! `docs/schedulers.md` has figures. A change of `len` moves nearly all.

mod first;
mod mix;
mod repair;
#[cfg(test)]
mod tests;

pub use mix::identity;

/// A backend that may stand in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its [`identity`].
    pub identity: u64,
    /// Its number, which the slots hold.
    pub number: u16,
    /// Its share, relative to the others'; 0 keeps it out of the first table too.
    pub weight: u16,
    /// Whether it may be given new flows now.
    pub usable: bool,
}

/// Slots per backend, where there is room: what keeps shares within 1 % (section 3.4 asks for more than 100).
const SLOTS_PER_BACKEND: usize = 100;

/// Slots of a small service, where there is room: beside nine backends of weight 256 one of weight 1 is due 1.8 of them.
const SMALL: usize = 4096;

/// Slots for `backends`, of any weight and health: a prime; at least 100 for each, but no more than `most`. 0 where
/// `most` < 2.
///
/// It is the largest prime below a power of two, or the largest up to `most`. So it changes, and with it nearly every
/// choice, only where the number of backends passes 40, 81, 163, 327 and so on, doubling.
pub fn size(backends: usize, most: usize) -> usize {
    let want = backends
        .saturating_mul(SLOTS_PER_BACKEND)
        .clamp(SMALL, 1 << 30)
        .next_power_of_two()
        .min(most);
    (2..=want).rev().find(|len| is_prime(*len)).unwrap_or(0)
}

fn is_prime(number: usize) -> bool {
    (2..)
        .take_while(|divisor| divisor * divisor <= number)
        .all(|divisor| !number.is_multiple_of(divisor))
}

/// `len` slots of backend numbers, `len` being prime or 0; none where no usable member has weight.
///
/// 65,537 slots of 1,000 members take 2 ms.
pub fn table(members: &[Member], len: usize) -> Vec<u16> {
    let mut present: Vec<Member> = members
        .iter()
        .copied()
        .filter(|member| member.weight > 0)
        .collect();
    if len == 0 || !present.iter().any(|member| member.usable) {
        return Vec::new();
    }
    // The order of turns, which must be the same on every balancer.
    present.sort_unstable_by_key(|member| (member.identity, member.number));
    let mut owners = first::table(&present, len);
    if !owners
        .iter()
        .any(|owner| present[usize::from(*owner)].usable)
    {
        // More members than slots, and the usable ones are among those without: there is nothing to repair from.
        present.retain(|member| member.usable);
        owners = first::table(&present, len);
    } else if present.iter().any(|member| !member.usable) {
        repair::repair(&mut owners, &present);
    }
    for slot in &mut owners {
        *slot = present[usize::from(*slot)].number;
    }
    owners
}
