//! The table that finds a packet's service: pure. See `lb_common::listener` for its form.

use std::{cmp::Reverse, collections::BTreeMap};

use anyhow::{Result, bail};
use lb_common::{
    Address, Listener, ListenerBucket, Pattern, filter, hash,
    listener::{MAX_BUCKETS, MAX_PATTERNS},
};

/// A table ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Seed of its hash.
    pub seed: u64,
    /// A power of two of them.
    pub buckets: Vec<ListenerBucket>,
    /// What its listeners that are no single destination are found by, the most specific first.
    pub patterns: Vec<Pattern>,
}

impl Table {
    /// The words of the filter for this table.
    pub fn filter(&self) -> Vec<u64> {
        if !self.patterns.is_empty() {
            return vec![u64::MAX; filter::WORDS as usize];
        }
        let mut words = vec![0; filter::WORDS as usize];
        let entries = self.buckets.iter().flat_map(|bucket| &bucket.entries);
        for entry in entries.filter(|entry| entry.protocol != 0) {
            let bit = filter::bit(&entry.address, entry.port, u32::from(entry.protocol));
            words[filter::word(bit) as usize] |= filter::mask(bit);
        }
        words
    }
}

/// Leading bits of an address that stands alone.
pub const WHOLE: u8 = 128;

/// The bits of an address that a prefix of this length keeps.
pub fn mask(prefix: u8) -> Address {
    let bits = |from: u32| {
        let kept = u32::from(prefix).saturating_sub(from).min(64);
        u64::MAX.checked_shl(64 - kept).unwrap_or(0).to_be()
    };
    [bits(0), bits(64)]
}

/// Whether `listener` is for this destination; `port` in network order.
pub fn holds(listener: &Listener, address: &Address, port: u16, protocol: u8) -> bool {
    if listener.protocol & Listener::RANGE == 0 {
        return (listener.address, listener.port, listener.protocol) == (*address, port, protocol);
    }
    let mask = mask(listener.prefix);
    let port = u16::from_be(port);
    listener.protocol == protocol | Listener::RANGE
        && listener.address == [address[0] & mask[0], address[1] & mask[1]]
        && (listener.low..=listener.high).contains(&port)
}

/// Seeds tried before the table is made larger.
const SEEDS: u64 = 32;

/// Builds the smallest table, at most half full, that holds all of `listeners`. Those that are found by a pattern have
/// port 0 and are given its slot here.
///
/// # Errors
/// Where there are too many of them, or they need too many patterns.
pub fn build(listeners: &[Listener]) -> Result<Table> {
    let mut listeners = listeners.to_vec();
    let patterns = slots(&mut listeners)?;
    let mut count = listeners.len().max(1).next_power_of_two();
    while count <= MAX_BUCKETS as usize {
        for seed in 1..=SEEDS {
            if let Some(buckets) = place(&listeners, count, seed) {
                return Ok(Table {
                    seed,
                    buckets,
                    patterns,
                });
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

/// Gives each listener that is no single destination its slot, and says by which patterns they are found: one for each
/// prefix length, and for each of several port ranges on one network.
fn slots(listeners: &mut [Listener]) -> Result<Vec<Pattern>> {
    let mut on_network: BTreeMap<(u8, Address, u8), u16> = BTreeMap::new();
    let mut wanted: BTreeMap<(Reverse<u8>, u16), u16> = BTreeMap::new();
    for listener in listeners.iter_mut().filter(|l| is_range(l)) {
        let network = (listener.prefix, listener.address, listener.protocol);
        let nth = on_network.entry(network).or_default();
        listener.port = *nth;
        *nth += 1;
        wanted.insert((Reverse(listener.prefix), listener.port), 0);
    }
    if wanted.len() > MAX_PATTERNS as usize {
        bail!(
            "the listeners with port ranges and networks need {} look-ups a packet, {MAX_PATTERNS} are possible: use fewer prefix lengths, or fewer ranges on one network",
            wanted.len()
        );
    }
    for (slot, number) in wanted.values_mut().zip(0..) {
        *slot = number;
    }
    for listener in listeners.iter_mut().filter(|l| is_range(l)) {
        listener.port = wanted[&(Reverse(listener.prefix), listener.port)];
    }
    let pattern = |(&(Reverse(prefix), _), slot): (&(Reverse<u8>, u16), &u16)| Pattern {
        mask: mask(prefix),
        slot: *slot,
        ..Pattern::default()
    };
    Ok(wanted.iter().map(pattern).collect())
}

fn is_range(listener: &Listener) -> bool {
    listener.protocol & Listener::RANGE != 0
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
