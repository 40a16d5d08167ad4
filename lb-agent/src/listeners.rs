//! The table that finds a packet's service: pure. See `lb_common::listener` for its form.

use anyhow::{Result, bail};
use lb_common::{Listener, ListenerBucket, hash, listener::MAX_BUCKETS};

/// A table ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Seed of its hash.
    pub seed: u64,
    /// A power of two of them.
    pub buckets: Vec<ListenerBucket>,
}

/// Seeds tried before the table is made larger.
const SEEDS: u64 = 32;

/// Builds the smallest table, at most half full, that holds all of `listeners`.
///
/// # Errors
/// Where there are too many of them.
pub fn build(listeners: &[Listener]) -> Result<Table> {
    let mut count = listeners.len().max(1).next_power_of_two();
    while count <= MAX_BUCKETS as usize {
        for seed in 1..=SEEDS {
            if let Some(buckets) = place(listeners, count, seed) {
                return Ok(Table { seed, buckets });
            }
        }
        count *= 2;
    }
    bail!(
        "{} listeners do not fit into the listener table, which holds about {}: use fewer",
        listeners.len(),
        MAX_BUCKETS
    )
}

/// Moves that one listener may cause before the seed is given up.
const MOVES: usize = 200;

fn place(listeners: &[Listener], count: usize, seed: u64) -> Option<Vec<ListenerBucket>> {
    let both: Vec<[usize; 2]> = listeners
        .iter()
        .map(|listener| choices(listener, count, seed))
        .collect();
    let mut held: Vec<Vec<usize>> = vec![Vec::with_capacity(2); count];
    for listener in 0..listeners.len() {
        settle(listener, &both, &mut held)?;
    }
    let mut buckets = vec![ListenerBucket::default(); count];
    for (number, held) in held.iter().enumerate() {
        for (entry, listener) in held.iter().enumerate() {
            let flags = buckets[number].entries[entry].flags | listeners[*listener].flags;
            let stored = Listener {
                flags,
                ..listeners[*listener]
            };
            buckets[number].entries[entry] = stored;
            let [first, _] = both[*listener];
            if first != number {
                buckets[first].entries[0].flags |= Listener::OVERFLOW;
            }
        }
    }
    Some(buckets)
}

/// The two buckets a listener may stand in.
fn choices(listener: &Listener, count: usize, seed: u64) -> [usize; 2] {
    let Listener {
        address,
        port,
        protocol,
        ..
    } = listener;
    let hash = hash::listener(address, *port, u32::from(*protocol), seed);
    [
        hash as usize & (count - 1),
        (hash >> 32) as usize & (count - 1),
    ]
}

/// Puts a listener into its first bucket, else its second, else into its first in place of another one, which then
/// goes to its own other bucket (cuckoo hashing, Pagh and Rodler 2001).
fn settle(mut listener: usize, both: &[[usize; 2]], held: &mut [Vec<usize>]) -> Option<()> {
    let mut bucket = both[listener][0];
    for turn in 0..MOVES {
        let [first, second] = both[listener];
        if let Some(free) = [bucket, first, second]
            .into_iter()
            .find(|b| held[*b].len() < 2)
        {
            held[free].push(listener);
            return Some(());
        }
        let homeless = std::mem::replace(&mut held[bucket][turn % 2], listener);
        let [first, second] = both[homeless];
        bucket = if bucket == first { second } else { first };
        listener = homeless;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use lb_common::{TCP, address};

    use super::*;

    fn listener(number: u32) -> Listener {
        Listener {
            address: address::from_ip(Ipv4Addr::from_bits(0xc000_0200 + number / 7).into()),
            port: (80 + (number % 7) as u16).to_be(),
            protocol: TCP,
            service: number,
            ..Listener::default()
        }
    }

    /// The packet path's look-up, in its words.
    fn find(table: &Table, wanted: &Listener) -> Option<u32> {
        let mask = table.buckets.len() - 1;
        let hash = hash::listener(
            &wanted.address,
            wanted.port,
            u32::from(wanted.protocol),
            table.seed,
        );
        let among = |bucket: &ListenerBucket| {
            bucket
                .entries
                .iter()
                .find(|entry| {
                    (entry.address, entry.port, entry.protocol)
                        == (wanted.address, wanted.port, wanted.protocol)
                })
                .map(|entry| entry.service)
        };
        let first = &table.buckets[hash as usize & mask];
        among(first).or_else(|| {
            let overflowed = first.entries[0].flags & Listener::OVERFLOW != 0;
            overflowed
                .then(|| among(&table.buckets[(hash >> 32) as usize & mask]))
                .flatten()
        })
    }

    #[test]
    fn every_listener_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 100, 4096, 12_000] {
            let listeners: Vec<Listener> = (0..count).map(listener).collect();
            let table = build(&listeners).unwrap();
            for wanted in &listeners {
                assert_eq!(find(&table, wanted), Some(wanted.service));
            }
            for stranger in count..count + 1000 {
                assert_eq!(find(&table, &listener(stranger)), None);
            }
        }
    }

    #[test]
    fn too_many_are_refused() {
        let listeners: Vec<Listener> = (0..40_000).map(listener).collect();
        let error = build(&listeners).unwrap_err().to_string();
        assert!(error.contains("40000 listeners do not fit"), "{error}");
    }
}
