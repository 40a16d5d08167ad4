//! Smooth weighted round robin: the ring holds the sequence, a ticket says where in it the next flow stands.

use lb_common::{Backend, Event, Service};

use crate::tables::Tables;

/// Slots tried after one whose backend may not be given new flows. The agent replaces the ring before it
/// forbids a backend, so this only bridges the moment in which a packet holds the former ring.
const TRIES: u64 = 4;

/// The backend for the next new flow, or `None` if none may be given one.
#[inline(always)]
pub fn choose<T: Tables>(tables: &T, number: u32, service: &Service) -> Option<(u16, Backend)> {
    let side = service.side & 1;
    let ring = if side == 0 {
        service.rings[0]
    } else {
        service.rings[1]
    };
    if ring.len == 0 {
        return None;
    }
    let ticket = tables.take_ticket(number, side)?;
    let mut tried = 0;
    while tried < TRIES {
        let slot = (ticket.wrapping_add(tried)) % u64::from(ring.len);
        let number = tables.slot(ring.base.wrapping_add(slot as u32))?;
        let backend = tables.backend(number)?;
        if backend.is(Backend::ACCEPTS | Backend::REACHABLE) {
            return Some((number, backend));
        }
        if !T::DRY_RUN {
            tables.count_event(Event::SlotSkipped);
        }
        tried += 1;
    }
    None
}
