//! How evenly schedulers spread flows, and Maglev's tables their slots.

use lb_agent::schedule::maglev::{self, Member};

use crate::choose::{Flow, Scheduler, members};

/// The most and the fewest of all backends, as multiples of their exact share.
#[derive(Clone, Copy)]
pub struct Spread {
    pub most: f64,
    pub fewest: f64,
}

impl Spread {
    /// Of `counts`, whose exact shares are as `weights`. Backends without weight are left out.
    fn of(counts: &[u64], weights: &[u16]) -> Self {
        let total: u64 = counts.iter().sum();
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        let mut spread = Self {
            most: 0.0,
            fewest: f64::INFINITY,
        };
        for (count, weight) in counts
            .iter()
            .zip(weights)
            .filter(|(_, weight)| **weight > 0)
        {
            let times = (count * sum) as f64 / (total * u64::from(*weight)) as f64;
            spread.most = spread.most.max(times);
            spread.fewest = spread.fewest.min(times);
        }
        spread
    }
}

/// The spread after each number of flows per backend in `after`, which ascend.
pub fn of_flows((_, scheduler): &Scheduler, weights: &[u16], after: &[u64]) -> Vec<Spread> {
    let mut choose = scheduler(weights);
    let mut flows = vec![0; weights.len()];
    let mut begun = 0;
    let mut spreads = Vec::new();
    for per_backend in after {
        for index in begun..per_backend * weights.len() as u64 {
            let backend = choose(&Flow::new(index), &flows);
            flows[backend] += 1;
        }
        begun = per_backend * weights.len() as u64;
        spreads.push(Spread::of(&flows, weights));
    }
    spreads
}

/// The spread of the slots of a table of `len`, over the members that are usable.
pub fn of_slots(members: &[Member], len: usize) -> Spread {
    let mut counts = vec![0; members.len()];
    for slot in maglev::table(members, len) {
        counts[usize::from(slot)] += 1;
    }
    let weights: Vec<u16> = members
        .iter()
        .map(|member| if member.usable { member.weight } else { 0 })
        .collect();
    Spread::of(&counts, &weights)
}

/// The weights that figures are made for, and what they are called.
pub fn mixes() -> Vec<(&'static str, Vec<u16>)> {
    vec![
        ("2 backends", vec![1; 2]),
        ("10 backends", vec![1; 10]),
        ("100 backends", vec![1; 100]),
        ("1,000 backends", vec![1; 1000]),
        (
            "weights 10, 20 ... 100",
            (1..=10).map(|tens| 10 * tens).collect(),
        ),
    ]
}

/// Spread of the table of backends with these weights, all usable, at the size the agent asks for.
pub fn of_own_size(weights: &[u16]) -> (usize, Spread) {
    let len = maglev::size(weights.len(), usize::MAX);
    (len, of_slots(&members(weights), len))
}
