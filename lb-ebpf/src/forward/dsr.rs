//! Direct return: the frame is sent on to the backend with new MAC addresses and nothing else changed, and the
//! backend, which has the VIP, answers the client itself.

use lb_common::{Backend, Reason};

use crate::{
    packet::Packet,
    verdict::{Exit, Verdict},
};

/// Rewrites the MAC addresses and says by which interface the frame leaves.
#[inline(always)]
pub fn forward<P: Packet>(packet: &mut P, backend: &Backend) -> Result<Verdict, Exit> {
    if !backend.is(Backend::REACHABLE) {
        return Err(Exit::drop(Reason::NoNextHop));
    }
    packet
        .store(0, &backend.ethernet)
        .ok_or(Exit::drop(Reason::Truncated))?;
    if backend.ifindex == packet.ingress() {
        Ok(Verdict::Tx)
    } else {
        Ok(Verdict::Redirect(backend.ifindex))
    }
}
