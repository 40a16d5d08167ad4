//! Weighted least connections: the backend whose flows, with the new one, are fewest for its weight.

use lb_common::{Backend, Ring};

use super::NONE;
use crate::{
    branchless::{self, if_less, if_zero},
    tables::Tables,
};

/// Backends that are compared; of more, so many in a row from a random one on.
pub const MOST: u32 = 64;

/// The backend with the least (flows + 1) / weight; of several the first. The ring holds backend and weight in turn.
#[inline(always)]
pub fn choose<T: Tables>(tables: &T, service: u32, ring: &Ring, random: u64) -> u32 {
    let count = ring.len / 2;
    let mut place = if count > MOST {
        ((random >> 32).wrapping_mul(u64::from(count)) >> 32) as u32
    } else {
        0
    };
    let mut best = Best {
        number: u64::from(NONE),
        flows: 1,
        weight: 0,
    };
    let mut compared = 0;
    while compared < MOST && compared < count {
        place = tables.opaque(place);
        let Some([number, weight]) = tables.pair(ring.base.wrapping_add(place * 2)) else {
            break;
        };
        let Some(backend) = tables.backend(number) else {
            break;
        };
        let Some(load) = tables.load(number) else {
            break;
        };
        const NEEDED: u8 = Backend::ACCEPTS | Backend::REACHABLE;
        let lacks = u64::from(backend.flags & NEEDED ^ NEEDED);
        let stranger = u64::from(u32::from(backend.service) ^ service);
        let accepts = if_zero(tables, lacks | stranger);
        let (flows, weight) = (load.flows() + 1, u64::from(weight) & accepts);
        best.compare(tables, u64::from(number), flows, weight);
        place += 1;
        place &= if_less(tables, u64::from(place), u64::from(count)) as u32;
        compared += 1;
    }
    best.number as u32
}

/// The best so far. Its flows over its weight are a fraction, so that nothing is divided: a/b < c/d as a*d < c*b. None
/// is 1/0, more than any.
struct Best {
    number: u64,
    flows: u64,
    weight: u64,
}

impl Best {
    #[inline(always)]
    fn compare<T: Tables>(&mut self, tables: &T, number: u64, flows: u64, weight: u64) {
        // Flows are fewer than 2^40 and weights at most 2^16, so the products are below 2^63.
        let better = if_less(tables, flows * self.weight, self.flows * weight);
        self.number = tables.opaque(branchless::choose(better, number, self.number));
        self.flows = tables.opaque(branchless::choose(better, flows, self.flows));
        self.weight = tables.opaque(branchless::choose(better, weight, self.weight));
    }
}
