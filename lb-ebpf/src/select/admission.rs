//! Which clients a service lets in.

use lb_common::{Address, Bound, Ring};

use crate::tables::Tables;

/// Steps of a search: a service has fewer bounds than two to this power.
const STEPS: u32 = 16;

/// Whether a service with these bounds lets `client` in.
#[inline(always)]
pub fn admits<T: Tables>(tables: &T, bounds: &Ring, client: &Address) -> bool {
    if bounds.len == 0 {
        return true;
    }
    let place = Bound::place(client);
    let mut low = 0;
    let mut high = bounds.len;
    let mut admits = 0;
    let mut step = 0;
    // The last bound at or below the client's address decides; `admits` is what the best one so far says.
    while step < STEPS && low < high {
        let middle = low + ((high - low) >> 1);
        let Some(bound) = tables.bound(bounds.base.wrapping_add(middle)) else {
            return false;
        };
        if is_at_most(&bound.from, &place) {
            admits = bound.admits;
            low = middle + 1;
        } else {
            high = middle;
        }
        low = tables.opaque(low);
        high = tables.opaque(high);
        admits = tables.opaque(admits);
        step += 1;
    }
    admits == 1
}

#[inline(always)]
const fn is_at_most(bound: &[u64; 2], place: &[u64; 2]) -> bool {
    bound[0] < place[0] || (bound[0] == place[0] && bound[1] <= place[1])
}
