//! The schedulers, as functions from a flow to a backend.
//!
//! Round robin, maglev and source-hash use the tables that the agent makes. Least-connections and random-2 choose in the
//! packet path; here they are simulated by their definition, with counts that are always exact.

use std::{cmp::Reverse, collections::BinaryHeap};

use lb_agent::schedule::{
    maglev::{self, Member},
    round_robin,
};
use lb_common::{TCP, flow::FlowKey, hash};

/// A new flow, as schedulers see it.
pub struct Flow {
    /// Hash of its five-tuple.
    pub hash: u64,
    /// Hash of its client's address.
    pub client: u64,
    /// Two random numbers.
    pub draws: [u64; 2],
}

impl Flow {
    /// Flow number `index`, which has a client of its own.
    pub fn new(index: u64) -> Self {
        let key = FlowKey {
            client: [0, index],
            vip: [0, 1],
            ports: FlowKey::ports(40_000 + (index % 20_000) as u16, 443),
            protocol: u32::from(TCP),
        };
        let client = FlowKey {
            ports: 0,
            protocol: 0,
            ..key
        };
        Self {
            hash: hash::flow(&key, 1),
            client: hash::flow(&client, 1),
            draws: [2, 3].map(|seed| hash::flow(&key, seed)),
        }
    }
}

/// Gives a flow to one of the backends, by the flows that each has had so far.
pub type Choose = Box<dyn FnMut(&Flow, &[u64]) -> usize>;

/// A scheduler's name, and how it chooses among backends of these weights.
pub type Scheduler = (&'static str, fn(&[u16]) -> Choose);

/// Every scheduler.
pub const SCHEDULERS: [Scheduler; 5] = [
    ("round-robin", round_robin),
    ("maglev", maglev),
    ("source-hash", source_hash),
    ("least-connections", least_connections_simulated),
    ("random-2", random_2_simulated),
];

/// Ring slots of one service at most, for these figures.
const MOST_RING: usize = 4096;

/// Backends with these weights, all usable, numbered from 0.
pub fn members(weights: &[u16]) -> Vec<Member> {
    let numbered = weights.iter().enumerate();
    numbered
        .map(|(index, weight)| Member {
            identity: maglev::identity(0, "web", &format!("web-{index}")),
            number: index as u16,
            weight: *weight,
            usable: true,
        })
        .collect()
}

/// The slot of `slots` that the upper half of `hash` names.
pub fn slot(slots: &[u16], hash: u64) -> usize {
    usize::from(slots[(((hash >> 32) * slots.len() as u64) >> 32) as usize])
}

fn ring(weights: &[u16]) -> Vec<u16> {
    let numbered: Vec<_> = (0..).zip(weights.iter().copied()).collect();
    round_robin::ring(&numbered, MOST_RING)
}

fn table(weights: &[u16]) -> Vec<u16> {
    maglev::table(&members(weights), maglev::size(weights.len(), usize::MAX))
}

fn round_robin(weights: &[u16]) -> Choose {
    let mut tickets = ring(weights).into_iter().cycle();
    Box::new(move |_, _| tickets.next().map_or(0, usize::from))
}

fn maglev(weights: &[u16]) -> Choose {
    let table = table(weights);
    Box::new(move |flow, _| slot(&table, flow.hash))
}

fn source_hash(weights: &[u16]) -> Choose {
    let table = table(weights);
    Box::new(move |flow, _| slot(&table, flow.client))
}

/// Load of a backend if it is given one flow more: comparable, to 2^-32 of a flow per weight.
fn load(flows: u64, weight: u16) -> u64 {
    ((flows + 1) << 32) / u64::from(weight)
}

/// Simulated: the lowest (flows + 1) / weight of all; of equals the first.
fn least_connections_simulated(weights: &[u16]) -> Choose {
    let weights = weights.to_vec();
    let all = weights.iter().enumerate();
    // No flow ends in these figures, so only the load of the backend chosen changes.
    let mut loads: BinaryHeap<_> = all
        .map(|(index, weight)| Reverse((load(0, *weight), index)))
        .collect();
    Box::new(move |_, flows| {
        let Some(mut least) = loads.peek_mut() else {
            return 0;
        };
        let Reverse((_, index)) = *least;
        *least = Reverse((load(flows[index] + 1, weights[index]), index));
        index
    })
}

/// Simulated: of two slots of the ring, which have backends by weight, the one whose backend has the lower
/// (flows + 1) / weight; of equals the first.
fn random_2_simulated(weights: &[u16]) -> Choose {
    let weights = weights.to_vec();
    let ring = ring(&weights);
    Box::new(move |flow, flows| {
        let [first, second] = flow.draws.map(|draw| slot(&ring, draw));
        let load = |index: usize| load(flows[index], weights[index]);
        if load(second) < load(first) {
            second
        } else {
            first
        }
    })
}
