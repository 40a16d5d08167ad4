//! The first table: members take turns, and at each turn a member takes the next free slot of its own permutation.
//!
//! # Turns by weight
//!
//! The heaviest members, of weight m, have one turn in every round. One of weight w has its first turn in round 0 and
//! turn j in round floor((j + phase) * m / w), where its phase is a fraction that its identity gives: so the turns of
//! light members are spread over the rounds, and no member is without a slot.
//!
//! # How even: the proof
//!
//! After R rounds a member has had max(1, ceil(R * w / m - phase)) turns: R * w / m to within 1. Let the slots run out in
//! the round after, so that each member has had between R * w / m - 1 and (R + 1) * w / m + 1. Summed over n members,
//! W being the sum of weights: R * W / m - n <= len <= (R + 1) * W / m + n. So w's exact share, len * w / W, lies
//! between R * w / m - n * w / W and (R + 1) * w / m + n * w / W, and what it has is off by at most 1 + w / m + n * w / W:
//! by two slots, and n / len of the share.

use super::{
    Member,
    mix::{below, mix},
};

/// More rounds than lie between two turns of one member, (1 + phase) * 256 at most; a power of two.
const ROUNDS: usize = 512;

/// No more members in this round.
const END: u32 = u32::MAX;

/// Where a member stands.
struct Turns {
    /// The slot it looks at next, in the walk over all slots that `skip` makes.
    slot: u32,
    skip: u32,
    /// Round of its next turn, and of how many rounds it has one: in 2^-32 rounds.
    due: u64,
    step: u64,
    /// Who has a turn after it in the same round.
    next: u32,
}

/// `len` slots of indices of `members`, all of which have weight. `len` is prime.
pub fn table(members: &[Member], len: usize) -> Vec<u16> {
    let heaviest = members.iter().map(|member| member.weight).max();
    let heaviest = heaviest.unwrap_or_default();
    let mut turns: Vec<Turns> = members
        .iter()
        .map(|member| Turns::new(member, heaviest, len))
        .collect();
    let mut table = Table {
        slots: vec![0; len],
        taken: vec![0; len.div_ceil(64)],
        free: len,
    };

    // The members of each round to come, in the order in which they joined it.
    let mut rounds = [Round::EMPTY; ROUNDS];
    for index in 0..turns.len() {
        rounds[0].push(&mut turns, index as u32);
    }
    for round in (0..ROUNDS).cycle() {
        let mut index = std::mem::replace(&mut rounds[round], Round::EMPTY).head;
        while index != END {
            if table.free == 0 {
                return table.slots;
            }
            let member = &mut turns[index as usize];
            table.take(member, index as u16);
            let next = member.next;
            member.due += member.step;
            rounds[(member.due >> 32) as usize % ROUNDS].push(&mut turns, index);
            index = next;
        }
    }
    table.slots
}

impl Turns {
    fn new(member: &Member, heaviest: u16, len: usize) -> Self {
        let [slot, skip, phase] = [1, 2, 3].map(|salt| mix(member.identity ^ salt));
        let step = (u64::from(heaviest) << 32) / u64::from(member.weight.max(1));
        Self {
            slot: below(slot, len) as u32,
            skip: below(skip, len - 1) as u32 + 1,
            due: (step >> 16) * (phase >> 48),
            step,
            next: END,
        }
    }
}

#[derive(Clone, Copy)]
struct Round {
    head: u32,
    tail: u32,
}

impl Round {
    const EMPTY: Self = Self {
        head: END,
        tail: END,
    };

    fn push(&mut self, turns: &mut [Turns], index: u32) {
        turns[index as usize].next = END;
        match turns.get_mut(self.tail as usize) {
            Some(last) => last.next = index,
            None => self.head = index,
        }
        self.tail = index;
    }
}

struct Table {
    slots: Vec<u16>,
    /// A bit for each slot: a table of bits stays in the cache where one of numbers does not.
    taken: Vec<u64>,
    free: usize,
}

impl Table {
    /// Gives the next free slot of the member's walk to `index`. One is free, and the walk comes by every slot because
    /// their number is prime.
    fn take(&mut self, member: &mut Turns, index: u16) {
        let len = self.slots.len() as u32;
        let mut slot = member.slot;
        loop {
            let here = slot as usize;
            let ahead = slot + member.skip;
            slot = if ahead < len { ahead } else { ahead - len };
            let (word, bit) = (&mut self.taken[here / 64], 1 << (here % 64));
            if *word & bit == 0 {
                *word |= bit;
                self.slots[here] = index;
                break;
            }
        }
        member.slot = slot;
        self.free -= 1;
    }
}
