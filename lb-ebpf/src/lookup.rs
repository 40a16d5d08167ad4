//! Which service a packet is for. Knows no bytes.

use lb_common::{Control, Listener, ListenerBucket, Reason, Service, hash, listener};

use crate::{parse::Parsed, tables::Tables, verdict::Exit};

/// The service a packet is for.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Its number.
    pub number: u32,
    /// Its record.
    pub service: Service,
    /// Whether the listener was removed: only live flows may continue.
    pub closing: bool,
}

/// Finds the service whose listener is the packet's destination.
#[inline(always)]
pub fn lookup<T: Tables>(tables: &T, control: &Control, parsed: &Parsed) -> Result<Found, Exit> {
    let listener = listener(tables, control, parsed).ok_or(Exit::pass(Reason::NoService))?;
    let service = tables
        .service(listener.service)
        .ok_or(Exit::drop(Reason::Inconsistent))?;
    Ok(Found {
        number: listener.service,
        service,
        closing: listener.flags & Listener::CLOSING != 0,
    })
}

#[inline(always)]
fn listener<T: Tables>(tables: &T, control: &Control, parsed: &Parsed) -> Option<Listener> {
    let key = &parsed.key;
    let (seed, mask, base) = if control.listener_side & 1 == 0 {
        (control.listener_seed[0], control.listener_mask[0], 0)
    } else {
        (
            control.listener_seed[1],
            control.listener_mask[1],
            listener::MAX_BUCKETS,
        )
    };
    let hash = hash::listener(&key.vip, key.vip_port_ne(), key.protocol, seed);
    let bucket = tables.listeners(base + (hash as u32 & mask))?;
    let found = among(&bucket, parsed);
    if found.is_some() || bucket.entries[0].flags & Listener::OVERFLOW == 0 {
        return found;
    }
    let bucket = tables.listeners(base + ((hash >> 32) as u32 & mask))?;
    among(&bucket, parsed)
}

#[inline(always)]
fn among(bucket: &ListenerBucket, parsed: &Parsed) -> Option<Listener> {
    let [first, second] = bucket.entries;
    if is(&first, parsed) {
        Some(first)
    } else if is(&second, parsed) {
        Some(second)
    } else {
        None
    }
}

#[inline(always)]
fn is(listener: &Listener, parsed: &Parsed) -> bool {
    let key = &parsed.key;
    listener.address[1] == key.vip[1]
        && listener.port == key.vip_port_ne()
        && u32::from(listener.protocol) == key.protocol
        && listener.address[0] == key.vip[0]
}
