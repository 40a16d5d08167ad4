//! Which service a destination belongs to. Knows no bytes.

use lb_common::{
    Address, Control, ICMP, Listener, ListenerBucket, filter,
    flow::FlowKey,
    hash,
    listener::{MAX_BUCKETS, MAX_PATTERNS},
};

use crate::{
    branchless::{if_less, if_zero},
    tables::Tables,
};

/// The destination of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// Its address.
    pub address: Address,
    /// Its port in network order, the way it stands in memory.
    pub port: u16,
    /// Its protocol.
    pub protocol: u8,
}

/// The service of a destination.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Its number.
    pub number: u32,
    /// Whether the listener was removed: only live flows may continue.
    pub closing: bool,
}

/// Finds the service whose listener is the destination: the one that names it, else the most specific pattern.
#[inline(always)]
pub fn lookup<T: Tables>(
    tables: &T,
    control: &Control,
    destination: &Destination,
) -> Option<Found> {
    let table = Table::in_force(tables, control);
    let mut word = tables.opaque(find(tables, &table, &Wanted::exactly(destination)));
    if word == NOTHING && has_patterns(control) {
        word = among_patterns(tables, control, &table, destination);
    }
    Found::read(tables.opaque(word))
}

/// Whether a listener may be for the destination of a packet with this five-tuple: no means that none is.
#[inline(always)]
pub fn may_listen<T: Tables>(tables: &T, control: &Control, key: &FlowKey) -> bool {
    let bit = filter::bit(&key.vip, key.vip_port_ne(), key.protocol);
    let side = (control.listener_side & 1) * filter::WORDS;
    tables
        .filter(side + filter::word(bit))
        .is_some_and(|word| word & filter::mask(bit) != 0)
}

/// Finds the service with a listener that names the destination.
#[inline(always)]
pub fn exact<T: Tables>(tables: &T, control: &Control, destination: &Destination) -> Option<Found> {
    let table = Table::in_force(tables, control);
    let word = find(tables, &table, &Wanted::exactly(destination));
    Found::read(tables.opaque(word))
}

/// Whether there are listeners that are no single destination.
#[inline(always)]
pub fn has_patterns(control: &Control) -> bool {
    patterns(control) > 0
}

impl Found {
    #[inline(always)]
    fn read(word: u32) -> Option<Self> {
        (word != NOTHING).then_some(Self {
            number: word & NUMBER,
            closing: word & CLOSING != 0,
        })
    }
}

/// Finds a service that has this address as one of its VIPs, whatever the port.
#[inline(always)]
pub fn vip<T: Tables>(tables: &T, control: &Control, address: Address) -> Option<Found> {
    let destination = Destination {
        address,
        port: 0,
        protocol: ICMP,
    };
    lookup(tables, control, &destination)
}

/// Whether answers of backends may come to this port of ours.
#[inline(always)]
pub fn may_be_reply(control: &Control, port: u16) -> bool {
    let [low, high] = control.reply_ports;
    let port = u16::from_be(port);
    low <= port && port <= high
}

/// A found listener as one word: the service's number, which is never 0, and whether it is closing.
const NUMBER: u32 = 0xffff;
const CLOSING: u32 = 1 << 16;
const NOTHING: u32 = 0;

/// What an entry must have.
#[derive(Clone, Copy)]
struct Wanted {
    address: Address,
    /// The port, or the slot of a pattern.
    port: u16,
    protocol: u8,
    /// Of a pattern: the port that must be within its range, in the host's order.
    at: u16,
}

impl Wanted {
    #[inline(always)]
    const fn exactly(destination: &Destination) -> Self {
        Self {
            address: destination.address,
            port: destination.port,
            protocol: destination.protocol,
            at: 0,
        }
    }
}

/// The listener table in force.
#[derive(Clone, Copy)]
struct Table {
    seed: u64,
    mask: u32,
    base: u32,
}

impl Table {
    #[inline(always)]
    fn in_force<T: Tables>(tables: &T, control: &Control) -> Self {
        let (seed, mask, base) = if control.listener_side & 1 == 0 {
            (control.listener_seed[0], control.listener_mask[0], 0)
        } else {
            (
                control.listener_seed[1],
                control.listener_mask[1],
                MAX_BUCKETS,
            )
        };
        Self {
            seed: tables.opaque(seed),
            mask: tables.opaque(mask),
            base: tables.opaque(base),
        }
    }
}

#[inline(always)]
fn find<T: Tables>(tables: &T, table: &Table, wanted: &Wanted) -> u32 {
    let hash = hash::listener(
        &wanted.address,
        wanted.port,
        u32::from(wanted.protocol),
        table.seed,
    );
    let Some(bucket) = tables.listeners(table.base + (hash as u32 & table.mask)) else {
        return NOTHING;
    };
    let found = among(tables, &bucket, wanted);
    if found != NOTHING || bucket.entries[0].flags & Listener::OVERFLOW == 0 {
        return found;
    }
    match tables.listeners(table.base + ((hash >> 32) as u32 & table.mask)) {
        Some(bucket) => among(tables, &bucket, wanted),
        None => NOTHING,
    }
}

#[inline(always)]
fn among<T: Tables>(tables: &T, bucket: &ListenerBucket, wanted: &Wanted) -> u32 {
    let [first, second] = &bucket.entries;
    let found = is(tables, first, wanted) & word(first) | is(tables, second, wanted) & word(second);
    tables.opaque(found as u32)
}

#[inline(always)]
const fn word(listener: &Listener) -> u64 {
    let closing = (listener.flags & Listener::CLOSING) as u32 * CLOSING;
    (listener.service & NUMBER | closing) as u64
}

/// All bits if it is, else none.
#[inline(always)]
fn is<T: Tables>(tables: &T, listener: &Listener, wanted: &Wanted) -> u64 {
    let differences = listener.address[0] ^ wanted.address[0]
        | listener.address[1] ^ wanted.address[1]
        | u64::from(listener.port ^ wanted.port)
        | u64::from(listener.protocol ^ wanted.protocol);
    let at = u64::from(wanted.at);
    if_zero(tables, differences)
        & !if_less(tables, at, u64::from(listener.low))
        & !if_less(tables, u64::from(listener.high), at)
}

#[inline(always)]
fn patterns(control: &Control) -> u32 {
    let [one, other] = control.patterns;
    u32::from(if control.listener_side & 1 == 0 {
        one
    } else {
        other
    })
}

/// One look-up for each pattern until one finds.
#[inline(always)]
fn among_patterns<T: Tables>(
    tables: &T,
    control: &Control,
    table: &Table,
    destination: &Destination,
) -> u32 {
    let first = tables.opaque((control.listener_side & 1) * MAX_PATTERNS);
    let count = tables.opaque(patterns(control));
    let mut found = NOTHING;
    let mut index = 0;
    while index < MAX_PATTERNS && index < count && found == NOTHING {
        let Some(pattern) = tables.pattern(first + index) else {
            return NOTHING;
        };
        let wanted = Wanted {
            address: [
                destination.address[0] & pattern.mask[0],
                destination.address[1] & pattern.mask[1],
            ],
            port: pattern.slot,
            protocol: destination.protocol | Listener::RANGE,
            at: u16::from_be(destination.port),
        };
        found = tables.opaque(find(tables, table, &wanted));
        index += 1;
    }
    found
}
