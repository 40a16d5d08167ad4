//! Live frames: a generator, a forwarder and a receiver that counts, all on one CPU.

mod cases;
mod forwarder;
mod generator;

use std::{iter, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::figure::Figure;
use cases::Case;
use forwarder::Forwarder;

/// Rounds of live frames for one of real clients: short ones, because the machine's speed changes within seconds.
const MORE: u32 = 3;
/// How long each case runs in each round.
const TIME: Duration = Duration::from_millis(100);
/// Packets that tell how many are sent in that time.
const TRIAL: u32 = 20_000;

/// What was measured for one case.
#[derive(Debug, Serialize)]
pub struct Live {
    /// The case.
    pub case: &'static str,
    /// Packets that arrived per second.
    pub packets_per_second: Figure,
    /// Nanoseconds for each, the making and the counting of it included.
    pub ns_per_packet: Figure,
    /// Rate over the empty program's.
    pub to_null: Figure,
    /// Rate over that of nftables' DNAT of as many flows.
    pub to_nftables: Figure,
    /// Rate over that of the kernel's forwarding.
    pub to_forwarding: Figure,
}

/// Runs every case in each of [`MORE`] times `rounds` rounds.
pub fn measure(rounds: u32) -> Result<Vec<Live>> {
    let cases = Case::all();
    eprintln!("live frames: making the networks");
    let mut forwarders: Vec<Forwarder> = forwarder::all()?;
    let mut packets = Vec::new();
    for case in &cases {
        let forwarder = find(&mut forwarders, case)?;
        packets.push(prepare(forwarder, case)?);
    }
    let mut rates = vec![Vec::new(); cases.len()];
    let rounds = MORE * rounds;
    for round in 1..=rounds {
        for (at, case) in cases.iter().enumerate() {
            eprint!(
                "\r\x1b[Klive frames: round {round} of {rounds}: {}",
                case.name
            );
            let forwarder = find(&mut forwarders, case)?;
            rates[at].push(run(forwarder, case, packets[at])?);
        }
    }
    eprintln!("\r\x1b[Klive frames: done");
    let of = |name: &str| cases.iter().position(|case| case.name == name);
    let rates_of = |name: &str| of(name).map(|at| &rates[at][..]).context("no such case");
    let (null, forwarding) = (rates_of(cases::NULL)?, rates_of(cases::FORWARDING)?);
    iter::zip(&cases, &rates)
        .map(|(case, own)| {
            let nftables = rates_of(case.nftables())?;
            Ok(Live {
                case: case.name,
                packets_per_second: Figure::of(own.iter().copied()),
                ns_per_packet: Figure::of(own.iter().map(|rate| 1e9 / rate)),
                to_null: Figure::of_ratios(own, null),
                to_nftables: Figure::of_ratios(own, nftables),
                to_forwarding: Figure::of_ratios(own, forwarding),
            })
        })
        .collect()
}

fn find<'a>(forwarders: &'a mut [Forwarder], case: &Case) -> Result<&'a mut Forwarder> {
    forwarders
        .iter_mut()
        .find(|forwarder| forwarder.kind == case.kind)
        .context("no such forwarder")
}

/// Opens the flows of a case and gives the packets that take [`TIME`].
fn prepare(forwarder: &mut Forwarder, case: &Case) -> Result<u32> {
    if let Some(opening) = &case.opening {
        // The numbering visits every flow once in as many packets.
        forwarder.send(opening, case.flows, case.flows)?;
    }
    // Flows that begin with any packet begin here.
    forwarder.send(&case.frame, case.flows, case.flows)?;
    let (_, took) = forwarder.send(&case.frame, case.flows, TRIAL)?;
    Ok((f64::from(TRIAL) * TIME.as_secs_f64() / took.as_secs_f64()) as u32)
}

/// Packets that arrived per second; all of them must, as what they are to become.
fn run(forwarder: &mut Forwarder, case: &Case, packets: u32) -> Result<f64> {
    let before = forwarder.counted(case.reason)?;
    let (arrived, took) = forwarder.send(&case.frame, case.flows, packets)?;
    let sent = u64::from(packets);
    ensure!(
        arrived.packets * 1000 >= sent * 999,
        "{}: {} of {sent} packets arrived{}",
        case.name,
        arrived.packets,
        forwarder.account()
    );
    let length = arrived.bytes as f64 / arrived.packets as f64;
    ensure!(
        (length - case.length as f64).abs() < 0.5,
        "{}: packets of {length:.1} bytes arrived instead of {}",
        case.name,
        case.length
    );
    if let Some(reason) = case.reason {
        let counted = forwarder.counted(case.reason)? - before;
        ensure!(
            counted * 1000 >= sent * 999,
            "{}: {counted} of {sent} packets were counted as {reason}",
            case.name
        );
    }
    Ok(arrived.packets as f64 / took.as_secs_f64())
}
