//! The repair: heirs for the slots of unusable members.
//!
//! Each slot has a sequence of members, fixed by the first table alone; its heir is the first usable one. So a slot's
//! member changes only if that member becomes unusable, or one before it in the sequence usable.
//!
//! The sequence begins with a *will* that shares out a member's slots among all others by weight: with all slots sorted
//! by member and this member's left out, its k slots name k places that lie evenly apart, so that a run of r places
//! holds floor or ceil of r * k / all of them. Then come members that own slots drawn by hash; then, from the last slot
//! drawn, the owners of the slots that follow it in the first table, which is all of them.

use super::{
    Member,
    mix::{below, mix},
};

/// Draws before the slots that follow are tried: with half of the weight unusable one slot in 2^16 needs more.
const DRAWS: u64 = 16;

/// Replaces in the first table, `owners`, of which one is usable, those that are not. Both hold indices of `members`.
pub fn repair(owners: &mut [u16], members: &[Member]) {
    let first = owners.to_vec();
    let usable = |owner: &u16| members[usize::from(*owner)].usable;
    let mut wills = Wills::new(&first, members);
    let following = following(&first, usable);
    for (slot, owner) in owners.iter_mut().enumerate() {
        if usable(owner) {
            continue;
        }
        let mut heir = wills.next(*owner);
        let mut place = slot;
        for draw in 1..=DRAWS {
            if usable(&heir) {
                break;
            }
            place = below(mix(slot as u64 ^ draw << 32), first.len());
            heir = first[place];
        }
        *owner = if usable(&heir) {
            heir
        } else {
            following[place]
        };
    }
}

/// For each slot the usable owner of the next slot that has one, where slot 0 follows the last.
fn following(first: &[u16], usable: impl Fn(&u16) -> bool) -> Vec<u16> {
    let mut following = first.to_vec();
    let mut next = first.iter().copied().find(&usable).unwrap_or_default();
    for slot in following.iter_mut().rev() {
        if usable(slot) {
            next = *slot;
        }
        *slot = next;
    }
    following
}

/// The members' wills, read slot by slot.
struct Wills {
    /// The owners of all slots, sorted.
    sorted: Vec<u16>,
    /// Of each member: where its run in `sorted` ends, and its length.
    end: Vec<usize>,
    len: Vec<usize>,
    /// Of each member: where its will begins, and how many of its slots have been given away.
    begin: Vec<usize>,
    given: Vec<usize>,
}

impl Wills {
    fn new(first: &[u16], members: &[Member]) -> Self {
        let mut len = vec![0; members.len()];
        for owner in first {
            len[usize::from(*owner)] += 1;
        }
        let mut sorted = Vec::with_capacity(first.len());
        let mut end = Vec::with_capacity(members.len());
        for (owner, len) in len.iter().enumerate() {
            sorted.resize(sorted.len() + len, owner as u16);
            end.push(sorted.len());
        }
        let begin = members.iter().zip(&len).map(|(member, len)| {
            let others = first.len() - len;
            below(mix(member.identity ^ 4), others)
        });
        Self {
            begin: begin.collect(),
            given: vec![0; members.len()],
            sorted,
            end,
            len,
        }
    }

    /// Whom the next slot of `owner` goes to.
    fn next(&mut self, owner: u16) -> u16 {
        let owner = usize::from(owner);
        let others = self.sorted.len() - self.len[owner];
        let apart = self.given[owner] * others / self.len[owner];
        self.given[owner] += 1;
        let place = self.end[owner] + (self.begin[owner] + apart) % others.max(1);
        self.sorted[place % self.sorted.len()]
    }
}
