//! Real clients: wrk, a forwarder, and two nginx behind it.

pub mod nft;
mod peer;
mod proxy;
mod wrk;

use std::iter;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::figure::Figure;
use peer::{Kind, Peer};
pub use wrk::Mode;
use wrk::Outcome;

/// What was measured for one forwarder with one kind of clients.
#[derive(Debug, Serialize)]
pub struct Clients {
    /// The forwarder.
    pub forwarder: &'static str,
    /// How clients behave.
    pub mode: Mode,
    /// Requests per second: as many connections, where each has one request.
    pub requests_per_second: Figure,
    /// The time that 99 of 100 answers take at most, in microseconds.
    pub p99_us: Figure,
    /// lb's, with direct return, over this one's: requests per second.
    pub direct_to_this: Figure,
    /// The same of NAT.
    pub nat_to_this: Figure,
    /// lb's, with direct return, over this one's: the time that 99 of 100 answers take at most.
    pub direct_p99_to_this: Figure,
    /// The same of NAT.
    pub nat_p99_to_this: Figure,
}

/// Runs every forwarder with each of these kinds of clients, `seconds` long, in each of `rounds` rounds.
pub fn measure(modes: &[Mode], rounds: u32, seconds: u32) -> Result<Vec<Clients>> {
    eprintln!("real clients: making the networks");
    let peers = Kind::ALL
        .into_iter()
        .map(|kind| Peer::new(kind).with_context(|| format!("setting up {}", kind.name())))
        .collect::<Result<Vec<_>>>()?;
    for peer in &peers {
        peer.answers()?;
    }
    let cases: Vec<(&Peer, Mode)> = modes
        .iter()
        .flat_map(|mode| peers.iter().map(|peer| (peer, *mode)))
        .collect();
    let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); cases.len()];
    for round in 1..=rounds {
        for ((peer, mode), outcomes) in iter::zip(&cases, &mut outcomes) {
            let name = peer.kind.name();
            eprint!(
                "\r\x1b[Kreal clients: round {round} of {rounds}: {name}, {}",
                mode.name()
            );
            let outcome = peer.load(*mode, seconds)?;
            ensure!(
                outcome.failed == 0,
                "{name}, {}: {} requests failed",
                mode.name(),
                outcome.failed
            );
            outcomes.push(outcome);
        }
    }
    eprintln!("\r\x1b[Kreal clients: done");
    let rates = |outcomes: &[Outcome]| outcomes.iter().map(|o| o.per_second).collect::<Vec<_>>();
    let times = |outcomes: &[Outcome]| outcomes.iter().map(|o| o.p99_us).collect::<Vec<_>>();
    iter::zip(&cases, &outcomes)
        .map(|((peer, mode), own)| {
            let of = |kind: Kind| {
                iter::zip(&cases, &outcomes)
                    .find(|((peer, of), _)| peer.kind == kind && of == mode)
                    .map(|(_, outcomes)| &outcomes[..])
                    .context("no such case")
            };
            let (direct, nat) = (of(Kind::Direct)?, of(Kind::Nat)?);
            Ok(Clients {
                forwarder: peer.kind.name(),
                mode: *mode,
                requests_per_second: Figure::of(rates(own)),
                p99_us: Figure::of(times(own)),
                direct_to_this: Figure::of_ratios(&rates(direct), &rates(own)),
                nat_to_this: Figure::of_ratios(&rates(nat), &rates(own)),
                direct_p99_to_this: Figure::of_ratios(&times(direct), &times(own)),
                nat_p99_to_this: Figure::of_ratios(&times(nat), &times(own)),
            })
        })
        .collect()
}
