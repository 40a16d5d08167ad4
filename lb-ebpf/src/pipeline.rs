//! The road: a packet's whole life.

use lb_common::Reason;

use crate::{
    forward, lookup,
    packet::Packet,
    parse::{self, Version},
    select,
    tables::Tables,
    verdict::{End, Exit, Outcome, Verdict},
};

/// Takes one packet down the road and counts it once, where it leaves.
#[inline(always)]
pub fn run<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Outcome {
    let bytes = packet.len() as u64;
    let outcome = road(packet, tables);
    if !T::DRY_RUN {
        tables.count(outcome.service, outcome.reason, bytes);
        if let Some(backend) = outcome.backend {
            tables.count_backend(backend, bytes, outcome.reason != Reason::FlowHit);
        }
    }
    outcome
}

#[inline(always)]
fn road<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Outcome {
    let mut trail = Trail {
        version: Version::V4,
        service: 0,
    };
    let exit = match steps(packet, tables, &mut trail) {
        Ok(outcome) => return outcome,
        Err(exit) => exit,
    };
    let verdict = match exit.end {
        End::Pass => Verdict::Pass,
        End::Drop => Verdict::Drop,
        End::Reset => forward::reset::answer(packet, trail.version),
    };
    Outcome {
        verdict,
        reason: exit.reason,
        service: trail.service,
        backend: None,
    }
}

/// What is known of a packet when it leaves early.
struct Trail {
    version: Version,
    service: u32,
}

#[inline(always)]
fn steps<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Exit> {
    let mut parsed = parse::parse(packet)?;
    parsed.version = tables.opaque(parsed.version);
    parsed.key.protocol = tables.opaque(parsed.key.protocol);
    parsed.flags = tables.opaque(parsed.flags);
    trail.version = parsed.version;
    let control = tables.control().ok_or(Exit::drop(Reason::Inconsistent))?;
    let found = lookup::lookup(tables, &control, &parsed)?;
    trail.service = found.number;
    let choice = select::select(tables, &control, &found, &parsed)?;
    let verdict = forward::dsr::forward(packet, &choice.backend)?;
    Ok(Outcome {
        verdict,
        reason: choice.reason,
        service: found.number,
        backend: Some(choice.number),
    })
}
