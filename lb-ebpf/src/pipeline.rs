//! The road: a packet's whole life.
//!
//! It has stages, each a program of its own that the kernel verifies by itself. Every frame comes in by
//! [`road`]; what belongs to a flow at hand leaves from there, and nothing is written on the way but the frame. Whatever
//! else could be ours goes on to other stages, which get the frame as it came.
//!
//! ```text
//!          .------.  flow at hand -> forward
//! frame -> | road |  not ours     -> pass
//!          '--+---'
//!             |    .------.  open flow -> forward
//!             +--> | open | -------------.
//!             |    '------'  else        v
//!             |    new flows, ends of flows   .--------.                        .--------.
//!             +-----------------------------> | select | ---------------------> | depart | -> forward
//!             |    .------.                   |        |   .-------.   .------. |        |
//!             +--> | walk | ----------------> |        | > | begin | > | record, > |        |
//!             |    '------'  options,         '--------'   '-------'   | bind     |        |
//!             |              fragments                     new flows   '--------' '--------'
//!             |    .------.                   .--------.
//!             '--> | icmp | ----------------> | notify | -> forward
//!                  '------'  errors           '--------'
//!          .--------.
//! any ---> | answer | -> back                 resets, ICMP errors of our own
//!          '--------'
//! ```

mod answer;
mod begin;
mod bind;
mod depart;
mod departure;
mod fragment;
mod icmp;
mod notify;
mod open;
mod record;
mod road;
mod select;
mod walk;

use lb_common::{Handover, Reason, Stage};

use crate::{
    packet::Packet,
    parse::{Parsed, Part, Version},
    select::Choice,
    tables::Tables,
    verdict::{Outcome, Turn, Verdict, Way},
};

/// What a stage did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has left the road and is counted.
    Left(Outcome),
    /// This stage takes it.
    On(Stage),
}

/// Takes one packet down the whole road.
pub fn run<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Outcome {
    let mut stage = Stage::Road;
    loop {
        match take(stage, packet, tables) {
            Step::Left(outcome) => return outcome,
            Step::On(next) => stage = next,
        }
    }
}

/// Takes one packet through `stage`, and counts it where it leaves.
#[inline(always)]
pub fn take<P: Packet, T: Tables>(stage: Stage, packet: &mut P, tables: &T) -> Step {
    let bytes = packet.len() as u64;
    let mut trail = Trail::default();
    let taken = match stage {
        Stage::Road => road::road(packet, tables, &mut trail),
        Stage::Open => open::open(packet, tables, &mut trail),
        Stage::Walk => walk::walk(packet, tables, &mut trail),
        Stage::Select => select::select(tables, &mut trail),
        Stage::Begin => begin::begin(tables, &mut trail),
        Stage::Record => record::record(tables, &mut trail),
        Stage::Bind => bind::bind(packet, tables, &mut trail),
        Stage::Fragment => fragment::fragment(tables, &mut trail),
        Stage::Depart => depart::depart(packet, tables, &mut trail),
        Stage::Icmp => icmp::icmp(packet, tables, &mut trail),
        Stage::Notify => notify::notify(packet, tables, &mut trail),
        Stage::Answer => Ok(answer::answer(packet, tables)),
    };
    let outcome = match taken {
        Ok(outcome) => outcome,
        Err(turn) => match turn.read() {
            Way::Leave(verdict, reason) => Outcome {
                verdict,
                reason,
                service: trail.service,
                backend: None,
            },
            Way::On(stage) => return Step::On(stage),
            Way::Answer(task, reason, mtu) => {
                answered(tables, &trail, task, reason, mtu);
                return Step::On(Stage::Answer);
            }
        },
    };
    if !T::DRY_RUN {
        tables.count(outcome.service, outcome.reason, bytes);
        if let Some(backend) = outcome.backend {
            let is_new = matches!(
                outcome.reason,
                Reason::FlowNew | Reason::FlowReused | Reason::FlowMoved
            );
            tables.count_backend(backend, bytes, is_new);
        }
    }
    Step::Left(outcome)
}

/// The packet as an earlier stage read it.
#[inline(always)]
fn read<T: Tables>(tables: &T) -> Result<Parsed, Turn> {
    let handover = tables
        .handed_over()
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    let version = if handover.version == 6 {
        Version::V6
    } else {
        Version::V4
    };
    let part = match handover.part {
        0 => Part::Whole,
        1 => Part::First,
        _ => Part::Later,
    };
    Ok(Parsed {
        version: tables.opaque(version),
        l3: usize::from(handover.l3),
        l4: usize::from(handover.l4),
        len: usize::from(handover.len),
        key: handover.key,
        flags: handover.flags,
        sequence: handover.sequence,
        part: tables.opaque(part),
        id: handover.id,
    })
}

/// What a later stage must know of the packet.
#[inline(always)]
fn written(parsed: &Parsed) -> Handover {
    Handover {
        l3: parsed.l3 as u16,
        l4: parsed.l4 as u16,
        len: parsed.len as u16,
        version: match parsed.version {
            Version::V4 => 4,
            Version::V6 => 6,
        },
        flags: parsed.flags,
        key: parsed.key,
        part: parsed.part as u32,
        id: parsed.id,
        sequence: parsed.sequence,
        ..Handover::default()
    }
}

/// Leaves the packet to the stages that bring it to its backend.
#[inline(always)]
fn to_backend<T: Tables>(
    tables: &T,
    parsed: &Parsed,
    choice: &Choice,
    service: u32,
    mss: u16,
) -> Turn {
    tables.hand_over(&Handover {
        task: Handover::TO_BACKEND,
        reason: choice.reason as u32,
        service,
        mss,
        backend: choice.number,
        source: choice.source,
        port: choice.port,
        flow: choice.flow,
        ..written(parsed)
    });
    departing(parsed)
}

/// Where a packet goes whose destination was found.
#[inline(always)]
const fn departing(parsed: &Parsed) -> Turn {
    Turn::on(match parsed.part {
        Part::First => Stage::Fragment,
        Part::Whole | Part::Later => Stage::Depart,
    })
}

/// What is known of a packet when it leaves early.
#[derive(Default)]
struct Trail {
    /// The service it is for, 0 if none.
    service: u32,
    /// Whether its IP version is 6.
    is_v6: bool,
    /// Where its IP header begins.
    l3: usize,
    /// Where its transport header begins.
    l4: usize,
}

/// Leaves the packet to the stage that answers it.
#[inline(always)]
fn answered<T: Tables>(tables: &T, trail: &Trail, task: u32, reason: Reason, mtu: u32) {
    tables.hand_over(&Handover {
        task,
        reason: reason as u32,
        service: trail.service,
        mtu,
        l3: trail.l3 as u16,
        l4: trail.l4 as u16,
        version: if trail.is_v6 { 6 } else { 4 },
        ..Handover::default()
    });
}

/// The outcome of a packet that went to a backend or came from it.
#[inline(always)]
const fn sent(verdict: Verdict, reason: Reason, service: u32, backend: u16) -> Outcome {
    Outcome {
        verdict,
        reason,
        service,
        backend: Some(backend),
    }
}
