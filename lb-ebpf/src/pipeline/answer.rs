//! The last stage of a packet that is answered.

use lb_common::{Handover, Reason};

use crate::{
    answer::{
        error::{self, Error},
        reset,
    },
    packet::Packet,
    parse::Version,
    tables::Tables,
    verdict::{Outcome, Verdict},
};

/// ICMP messages of its own that a CPU sends in a tenth of a second at most: Linux's own limit is a thousand a second
/// (icmp_msgs_per_sec).
const BURST: u32 = 100;

/// Turns the packet into its answer, which leaves by the interface the packet came by.
#[inline(always)]
pub fn answer<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Outcome {
    let Some(handover) = tables.handed_over() else {
        return Outcome {
            verdict: Verdict::Drop,
            reason: Reason::Inconsistent,
            service: 0,
            backend: None,
        };
    };
    let reason = Reason::from_number(handover.reason).unwrap_or(Reason::Inconsistent);
    let leave = |verdict, reason| Outcome {
        verdict,
        reason,
        service: handover.service,
        backend: None,
    };
    let version = if handover.version == 6 {
        Version::V6
    } else {
        Version::V4
    };
    let (l3, l4) = (usize::from(handover.l3), usize::from(handover.l4));
    let answered = if handover.task == Handover::RESET {
        reset::reset(packet, version, l3, l4)
    } else {
        let tenth = tables.control().map_or(u32::MAX, |control| control.hz / 10);
        if !T::DRY_RUN && !tables.may_send(BURST, tenth) {
            return leave(Verdict::Drop, Reason::RateLimited);
        }
        let what = if handover.task == Handover::TOO_BIG {
            Error::TooBig { mtu: handover.mtu }
        } else {
            Error::Expired
        };
        error::error(packet, version, l3, what)
    };
    match answered {
        Some(()) => leave(Verdict::Tx, reason),
        None => leave(Verdict::Drop, reason),
    }
}
