use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// Backends web-0, web-1 ... with these weights, all usable, numbered from 1.
fn members(weights: &[u16]) -> Vec<Member> {
    let numbered = weights.iter().enumerate();
    numbered
        .map(|(index, weight)| Member {
            identity: identity(7, "web", &format!("web-{index}")),
            number: index as u16 + 1,
            weight: *weight,
            usable: true,
        })
        .collect()
}

/// As [`members`], usable where `usable` says so.
fn some_usable(weights: &[u16], usable: &[bool]) -> Vec<Member> {
    let mut members = members(weights);
    for (member, usable) in members.iter_mut().zip(usable) {
        member.usable = *usable;
    }
    members
}

fn count(table: &[u16], member: &Member) -> f64 {
    table.iter().filter(|slot| **slot == member.number).count() as f64
}

/// Weights of some backends, and which of them are usable.
fn backends() -> impl Strategy<Value = (Vec<u16>, Vec<bool>)> {
    (1..60_usize).prop_flat_map(|n| {
        let mixed = prop::collection::vec(0..=256_u16, n);
        let skewed = prop::collection::vec(prop_oneof![9 => 1..3_u16, 1 => Just(256)], n);
        let weights = prop_oneof![mixed, skewed, Just(vec![1; n])];
        (weights, prop::collection::vec(any::<bool>(), n))
    })
}

/// Balancers of different builds share flows: what this test pins down may only change with a note to operators.
#[test]
fn builds_agree() {
    // The first number that SplitMix64 gives from 0.
    assert_eq!(mix::mix(0), 0xe220_a839_7b1d_cdaf);
    assert_eq!(identity(7, "web", "web-1"), 0xccf3_71e0_030e_93a3);
    let mut members = members(&[1, 2, 3]);
    assert_eq!(table(&members, 13), [1, 2, 2, 3, 2, 3, 3, 3, 3, 1, 2, 2, 3]);
    members[2].usable = false;
    assert_eq!(table(&members, 13), [1, 2, 2, 1, 2, 1, 2, 2, 2, 1, 2, 2, 2]);
}

#[test]
fn an_identity_is_of_both_names_and_the_seed() {
    let one = identity(7, "web", "web-1");
    assert_eq!(one, identity(7, "web", "web-1"));
    for other in [
        identity(8, "web", "web-1"),
        identity(7, "web", "web-2"),
        identity(7, "dns", "web-1"),
        identity(7, "webw", "eb-1"),
        identity(7, "web\0", "web-1"),
        identity(7, "web", "web-1\0"),
        identity(7, "web-1", "web"),
        identity(7, "web", "web-1-of-a-long-name"),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn sizes_are_primes_with_room() {
    assert_eq!(size(0, 1 << 21), 4093);
    assert_eq!(size(40, 1 << 21), 4093);
    assert_eq!(size(41, 1 << 21), 8191);
    assert_eq!(size(1000, 1 << 21), 131_071);
    assert_eq!(size(1000, 65_537), 65_537);
    assert_eq!(size(1000, 65_536), 65_521);
    assert_eq!([0, 1, 2, 3, 4].map(|most| size(9, most)), [0, 0, 2, 3, 3]);
    for backends in 1..=16_384 {
        let size = size(backends, usize::MAX);
        assert!(size >= 100 * backends, "{size} slots for {backends}");
    }
}

#[test]
fn without_a_usable_member_of_weight_there_is_no_table() {
    assert_eq!(table(&[], 13), [] as [u16; 0]);
    assert_eq!(
        table(&some_usable(&[0, 5], &[true, false]), 13),
        [] as [u16; 0]
    );
    assert_eq!(table(&members(&[0, 5]), 13), [2; 13]);
    assert_eq!(table(&members(&[1]), 2), [1; 2]);
    assert_eq!(table(&members(&[1]), 0), [] as [u16; 0]);
}

#[test]
fn more_members_than_slots_fill_the_table() {
    let table = table(&members(&[1; 50]), 13);
    let mut different = table.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 13);
    // Also where the usable one would be without a slot.
    for usable in 0..50 {
        let mut members = members(&[1; 50]);
        for (index, member) in members.iter_mut().enumerate() {
            member.usable = index == usable;
        }
        assert_eq!(super::table(&members, 13), [members[usable].number; 13]);
    }
}

#[test]
fn a_thousand_members_take_milliseconds() {
    let mut members = members(&[1; 1000]);
    members[3].usable = false;
    let start = Instant::now();
    assert_eq!(table(&members, 65_537).len(), 65_537);
    // Without optimization, on a busy machine; with it, 2 ms.
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
}

/// Half of the members down: the slots that pass from one unusable member to another are drawn by hash.
#[test]
fn many_heirs_are_even_to_the_root_of_what_they_inherit() {
    let members = some_usable(&[1; 100], &[[true; 50], [false; 50]].concat());
    let table = table(&members, 16_381);
    for member in &members[..50] {
        let off = count(&table, member) - 16_381.0 / 50.0;
        assert!(off.abs() < 4.0 * (16_381.0_f64 / 100.0).sqrt(), "{off}");
    }
}

proptest! {
    #[test]
    fn the_order_of_members_means_nothing((weights, usable) in backends(), shift in 0..60_usize) {
        let mut members = some_usable(&weights, &usable);
        let before = table(&members, 4093);
        let shift = shift % members.len();
        members.rotate_left(shift);
        members.reverse();
        prop_assert_eq!(before, table(&members, 4093));
    }

    #[test]
    fn numbers_name_members_and_choose_nothing((weights, usable) in backends()) {
        let members = some_usable(&weights, &usable);
        let renumbered: Vec<_> = members
            .iter()
            .map(|member| Member { number: 1000 - member.number, ..*member })
            .collect();
        let before: Vec<_> = table(&members, 4093).iter().map(|slot| 1000 - slot).collect();
        prop_assert_eq!(before, table(&renumbered, 4093));
    }

    #[test]
    fn shares_are_as_the_weights_say((weights, _) in backends(), len in prop::sample::select(vec![127, 4093, 16_381])) {
        let members = members(&weights);
        let table = table(&members, len);
        let sum: u32 = weights.iter().copied().map(u32::from).sum();
        prop_assume!(sum > 0);
        prop_assert_eq!(table.len(), len);
        let present = weights.iter().filter(|weight| **weight > 0).count() as f64;
        let equal = weights.iter().all(|weight| *weight == weights[0]);
        for member in &members {
            let has = count(&table, member);
            let share = len as f64 * f64::from(member.weight) / f64::from(sum);
            if member.weight == 0 {
                prop_assert_eq!(has, 0.0);
                continue;
            }
            prop_assert!(has >= 1.0);
            let bound = if equal { 1.0 } else { 2.0 + share * present / len as f64 };
            prop_assert!((has - share).abs() <= bound, "weight {} has {has} of {share}", member.weight);
        }
    }

    #[test]
    fn one_members_slots_are_shared_by_weight((weights, _) in backends(), gone in any::<prop::sample::Index>()) {
        prop_assume!(weights.iter().filter(|weight| **weight > 0).count() > 1);
        let mut members = members(&weights);
        let gone = gone.index(members.len());
        let before = table(&members, 4093);
        members[gone].usable = false;
        let after = table(&members, 4093);
        let left = count(&before, &members[gone]);
        prop_assert_eq!(count(&after, &members[gone]), 0.0);
        for member in members.iter().filter(|member| member.usable) {
            let had = count(&before, member);
            let due = left * had / (4093.0 - left);
            let inherited = count(&after, member) - had;
            prop_assert!((inherited - due).abs() < 1.0, "{inherited} instead of {due}");
        }
    }

    /// Whoever else is unusable: every slot that changes was the member's own, or is.
    #[test]
    fn only_the_slots_of_the_member_that_changes_move((weights, usable) in backends(), which in any::<prop::sample::Index>()) {
        let mut members = some_usable(&weights, &usable);
        let which = which.index(members.len());
        members[which].usable = true;
        let with = table(&members, 4093);
        members[which].usable = false;
        let without = table(&members, 4093);
        prop_assume!(!without.is_empty());
        let number = members[which].number;
        prop_assert_eq!(with.len(), without.len());
        for (with, without) in with.iter().zip(&without) {
            prop_assert_ne!(*without, number);
            prop_assert!(with == without || *with == number, "{} lost a slot to {}", with, without);
        }
    }

    #[test]
    fn nobody_unusable_has_a_slot((weights, usable) in backends()) {
        let members = some_usable(&weights, &usable);
        for slot in table(&members, 4093) {
            let member = members[usize::from(slot) - 1];
            prop_assert!(member.usable && member.weight > 0);
        }
    }
}
