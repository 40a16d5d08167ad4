//! How many flows that are not remembered get another backend when backends or weights change.
//!
//! Maglev's figures are shares of slots: each slot has the same share of all flows.

use lb_agent::schedule::maglev::{self, Member};

use crate::{
    choose::{Flow, members},
    evenness::{self, Spread},
};

/// Each figure about failures is the mean of so many choices of who fails.
const TRIALS: u64 = 5;

/// Flows that the figure about modulo hashing is taken from.
const FLOWS: u64 = 20_000;

/// What becomes of unremembered flows when some of many backends fail: shares of all flows.
#[derive(Clone, Copy, Default)]
pub struct Failure {
    /// Flows whose backend failed: at least so many must move.
    pub must: f64,
    /// Flows that move with our tables.
    pub repaired: f64,
    /// Flows that move with Maglev's tables alone.
    pub plain: f64,
    /// Flows that move if hash modulo number of backends chooses from a list.
    pub modulo: f64,
    /// The most slots of a backend that is left, as a multiple of its exact share, in our tables and in Maglev's alone.
    pub most_repaired: f64,
    pub most_plain: f64,
}

impl Failure {
    /// Of `failed` among `backends` of equal weight, in tables of `len` slots.
    pub fn new(backends: usize, failed: usize, len: usize) -> Self {
        let mut mean = Self::default();
        let whole = members(&vec![1; backends]);
        let before = maglev::table(&whole, len);
        for trial in 0..TRIALS {
            let mut marked = whole.clone();
            for index in some(trial, failed, backends) {
                marked[index].usable = false;
            }
            let left: Vec<Member> = marked
                .iter()
                .copied()
                .filter(|member| member.usable)
                .collect();
            let gone = before
                .iter()
                .filter(|slot| !marked[usize::from(**slot)].usable);
            let one = Self {
                must: gone.count() as f64 / len as f64,
                repaired: moved(&before, &maglev::table(&marked, len)),
                plain: moved(&before, &maglev::table(&left, len)),
                modulo: moved_by_modulo(&left, backends),
                most_repaired: evenness::of_slots(&marked, len).most,
                most_plain: most_of_plain(&left, len),
            };
            mean.add(one);
        }
        mean
    }

    fn add(&mut self, one: Self) {
        for (mean, one) in [
            (&mut self.must, one.must),
            (&mut self.repaired, one.repaired),
            (&mut self.plain, one.plain),
            (&mut self.modulo, one.modulo),
            (&mut self.most_repaired, one.most_repaired),
            (&mut self.most_plain, one.most_plain),
        ] {
            *mean += one / TRIALS as f64;
        }
    }
}

/// `count` different indices below `bound`.
fn some(trial: u64, count: usize, bound: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bound).collect();
    order.sort_by_key(|index| Flow::new(trial * bound as u64 + *index as u64).hash);
    order.truncate(count);
    order
}

/// Share of the slots that differ.
fn moved(before: &[u16], after: &[u16]) -> f64 {
    let differ = before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after);
    differ.count() as f64 / before.len() as f64
}

fn moved_by_modulo(left: &[Member], backends: usize) -> f64 {
    let moves = (0..FLOWS).filter(|index| {
        let hash = (Flow::new(*index).hash >> 32) as usize;
        usize::from(left[hash % left.len()].number) != hash % backends
    });
    moves.count() as f64 / FLOWS as f64
}

/// As [`evenness::of_slots`], for members whose numbers are not their places.
fn most_of_plain(left: &[Member], len: usize) -> f64 {
    let mut left = left.to_vec();
    for (index, member) in left.iter_mut().enumerate() {
        member.number = index as u16;
    }
    let Spread { most, .. } = evenness::of_slots(&left, len);
    most
}

/// A change of weights, or of the file.
pub struct Change {
    /// What changes.
    pub what: &'static str,
    /// Weight of the first backend before and after.
    pub weights: [u16; 2],
}

/// Changes of one backend; all others have weight 100.
pub const CHANGES: [Change; 5] = [
    Change {
        what: "weight 100 to 99",
        weights: [100, 99],
    },
    Change {
        what: "weight 100 to 50",
        weights: [100, 50],
    },
    Change {
        what: "weight 100 to 200",
        weights: [100, 200],
    },
    Change {
        what: "weight 100 to 0, or removed from the file",
        weights: [100, 0],
    },
    Change {
        what: "added to the file with weight 100",
        weights: [0, 100],
    },
];

impl Change {
    /// Shares of the slots that must move, because shares change, and that do move, among so many backends at the size
    /// the agent asks for.
    pub fn moves(&self, backends: usize) -> [f64; 2] {
        let len = maglev::size(backends, usize::MAX);
        let mut weights = vec![100; backends];
        let [before, after] = self.weights.map(|weight| {
            weights[0] = weight;
            maglev::table(&members(&weights), len)
        });
        let mut gained = vec![0_i64; backends];
        for (before, after) in before.iter().zip(&after) {
            gained[usize::from(*before)] -= 1;
            gained[usize::from(*after)] += 1;
        }
        let must: i64 = gained.iter().filter(|gained| **gained > 0).sum();
        [must as f64 / len as f64, moved(&before, &after)]
    }
}
