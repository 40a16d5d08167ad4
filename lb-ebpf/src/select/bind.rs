//! The port under which a backend sees a translated flow.
//!
//! A port is free for a flow if no other flow to the same backend has it on the same source address. It is drawn by
//! hash; the entry by which the backend's answers are found is the claim to it. Two CPUs that draw the same port for two
//! flows at once both see the other's entry, because each looks again after it has published its own, and both draw
//! anew: no lock, no CPU that owns a range.

use lb_common::{
    Backend, Control, Event, Flow, Handover, Service, TCP, backend::NO_SOURCE, flow::FlowKey, hash,
};

use super::{
    begin::newcomer,
    flow_table::{self, Place},
    state::limit,
    tag,
};
use crate::tables::Tables;

/// Ports drawn before a flow is refused. With three quarters of a backend's ports in use one flow in a hundred is.
const DRAWS: u32 = 16;

/// Where a packet came from: its sender's MAC address and the number of the link, as [`Flow::last_hop`] puts them.
pub type LastHop = (u32, u32);

/// The ends a translated flow was given, and where its reply entry stands, as one word: source number, port, place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound(u64);

impl Bound {
    /// No port was found: no place has this number.
    const NOT: Self = Self(u64::MAX);

    /// Number of the source address, [`NO_SOURCE`] where the backend sees the client's.
    #[inline(always)]
    pub const fn source(self) -> u16 {
        self.0 as u16
    }

    /// The port, in network order the way it stands in memory.
    #[inline(always)]
    pub const fn port(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Where the reply entry stands.
    #[inline(always)]
    pub const fn twin(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// What became of an attempt to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The flow has these ends, and its reply entry stands.
    Bound(Bound),
    /// That port was taken.
    Taken,
    /// No port is left.
    Failed,
}

/// Tries to give the flow that a packet begins a port for its backend.
#[inline(always)]
pub fn bind<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    packet: &Handover,
    last_hop: LastHop,
) -> Attempt {
    // Another connection on the same five-tuple draws other ports.
    let hash = hash::flow(&packet.key, control.flow_seed);
    let random = hash ^ u64::from(packet.sequence) ^ (u64::from(packet.drawn) << 48);
    let random = tables.opaque(hash::mix(random));
    let bound = draw(tables, control, service, packet, random, last_hop);
    let bound = Bound(tables.opaque(bound.0));
    if bound != Bound::NOT {
        return Attempt::Bound(bound);
    }
    if packet.drawn + 1 < DRAWS {
        return Attempt::Taken;
    }
    tables.count_event(Event::PortsExhausted);
    Attempt::Failed
}

/// Tries one port.
#[inline(always)]
fn draw<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    packet: &Handover,
    random: u64,
    last_hop: LastHop,
) -> Bound {
    let (client, number) = (packet.key, packet.backend);
    let Some(backend) = tables.backend(number) else {
        return Bound::NOT;
    };
    let (source, address, port) = if backend.forward == Backend::NAT_CLIENT {
        let port = FlowKey::first_port_ne(client.ports);
        (NO_SOURCE, client.client, port)
    } else {
        let source = backend.source((random >> 40) as u32);
        let Some(address) = tables.source(source) else {
            return Bound::NOT;
        };
        (source, address, port(control, random))
    };
    let backend_port = if backend.port == 0 {
        client.vip_port_ne()
    } else {
        backend.port
    };
    let key = FlowKey {
        client: backend.address,
        vip: address,
        ports: FlowKey::join_ne(backend_port, port),
        protocol: client.protocol,
    };
    let hash = hash::flow(&key, control.flow_seed);
    let now = tables.now();
    let mut own = Place::NONE;
    if let Some(holder) = flow_table::find_reply(tables, control, hash, &key) {
        // What this very five-tuple had before is over. A connection takes another port all the same where it can: its
        // backend may not know yet that the former one has ended.
        let held = &holder.flow.key;
        let another = held.client[0] ^ client.client[0]
            | held.client[1] ^ client.client[1]
            | u64::from(held.ports ^ client.ports);
        let has_choice =
            client.protocol == u32::from(TCP) && backend.forward != Backend::NAT_CLIENT;
        let lives = now.wrapping_sub(holder.flow.seen) < limit(&holder.flow, service);
        if lives && (another != 0 || has_choice) {
            return Bound::NOT;
        }
        own = holder.place;
    }
    let claimed = flow_table::claim(tables, control, service, hash, now, own);
    if !claimed.is_some() {
        return Bound::NOT;
    }
    let (isn, born) = last_hop;
    let flow = Flow {
        kind: Flow::REPLY,
        source,
        port,
        isn,
        born,
        ..newcomer(packet, now)
    };
    flow_table::publish(tables, &claimed, &flow, tag(hash, number, &backend));
    if flow_table::has_rival(tables, control, hash, &key, &claimed) {
        flow_table::release(tables, &claimed);
        return Bound::NOT;
    }
    Bound(u64::from(source) | u64::from(port) << 16 | u64::from(claimed.index()) << 32)
}

/// A port of the range that 16 random bits name, in network order the way it stands in memory.
#[inline(always)]
fn port(control: &Control, random: u64) -> u16 {
    let [low, high] = control.nat_ports;
    let count = u64::from(high.wrapping_sub(low)) + 1;
    let offset = ((random & 0xffff) * count) >> 16;
    low.wrapping_add(offset as u16).to_be()
}
