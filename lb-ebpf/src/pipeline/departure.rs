//! How a packet that has its destination leaves: by the backend's way of forwarding, or back to the client.

use lb_common::{Address, Backend, Flow, Reason, TCP, address::is_v4, flow::FlowKey, hash};

use super::Trail;
use crate::{
    forward::{
        Refusal,
        front::{self, Way},
        mss,
        nat::{self, Ends},
        tunnel,
    },
    header::{ethernet, tcp},
    packet::Packet,
    parse::{Parsed, Version},
    tables::Tables,
    verdict::{Turn, Verdict},
};

impl Trail {
    /// Notes what an answer would have to know.
    #[inline(always)]
    pub fn note(&mut self, parsed: &Parsed) {
        self.is_v6 = parsed.version == Version::V6;
        self.l3 = parsed.l3;
        self.l4 = parsed.l4;
    }
}

/// Where a packet goes.
pub struct Destination {
    /// How: as [`Backend::forward`]; translated for answers of backends.
    pub forward: u8,
    /// By which way.
    pub way: Way,
    /// Longest packet this way takes, in bytes.
    pub mtu: u16,
    /// Translated: its ends there. Else its own.
    pub ends: Ends,
}

/// Where a backend's packet of this flow goes, which came by `ingress`: by the host's routes, if the service says so and
/// they know a way, else the way the request came.
#[inline(always)]
pub fn to_client<T: Tables>(tables: &T, flow: &Flow, ingress: u32) -> Result<Destination, Turn> {
    if flow.is_by_route()
        && let Some(way) = tables.route(&flow.key.vip, &flow.key.client, ingress)
    {
        return Ok(to_its_client(flow, way, u16::MAX));
    }
    back(tables, flow)
}

/// Where a backend's packet of this flow goes: the way the request came.
#[inline(always)]
pub fn back<T: Tables>(tables: &T, flow: &Flow) -> Result<Destination, Turn> {
    let lost = Turn::drop(Reason::NoNextHop);
    let link = tables.link(u32::from(flow.link())).ok_or(lost)?;
    if link.egress == 0 {
        return Err(lost);
    }
    let [a, b, c, d] = flow.isn.to_ne_bytes();
    let [e, f, _, _] = flow.born.to_ne_bytes();
    let way = Way {
        ifindex: link.egress,
        ethernet: Backend::ethernet([a, b, c, d, e, f], link.mac),
        tags: link.tags,
    };
    Ok(to_its_client(flow, way, link.mtu))
}

#[inline(always)]
const fn to_its_client(flow: &Flow, way: Way, mtu: u16) -> Destination {
    Destination {
        forward: Backend::NAT,
        way,
        mtu,
        ends: Ends {
            source: flow.key.vip,
            destination: flow.key.client,
            ports: flow.key.ports.rotate_left(16),
        },
    }
}

/// Where a client's packet with this five-tuple goes, whose flow `backend` has.
#[inline(always)]
pub fn to_backend<T: Tables>(
    tables: &T,
    key: &FlowKey,
    backend: &Backend,
    source: u16,
    port: u16,
) -> Result<Destination, Turn> {
    if !backend.is(Backend::REACHABLE) {
        return Err(Turn::drop(Reason::NoNextHop));
    }
    let ends = if !backend.is_translated() {
        Ends {
            source: key.client,
            destination: key.vip,
            ports: key.ports,
        }
    } else {
        let source = if backend.forward == Backend::NAT_CLIENT || T::DRY_RUN {
            key.client
        } else {
            tables
                .source(source)
                .ok_or(Turn::drop(Reason::Inconsistent))?
        };
        let backend_port = if backend.port == 0 {
            key.vip_port_ne()
        } else {
            backend.port
        };
        Ends {
            source,
            destination: backend.address,
            ports: FlowKey::join_ne(port, backend_port),
        }
    };
    Ok(Destination {
        forward: backend.forward,
        way: Way::to(backend),
        mtu: backend.mtu,
        ends,
    })
}

/// Sends a packet of a flow of backend `number` off within its family.
#[inline(always)]
pub fn leave<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    parsed: &Parsed,
    number: u16,
    destination: &Destination,
) -> Result<Verdict, Turn> {
    let way = &destination.way;
    if T::DRY_RUN {
        return Ok(front::leave(packet, way));
    }
    match destination.forward {
        Backend::DSR => {
            write(packet, parsed, way)?;
            Ok(front::leave(packet, way))
        }
        Backend::NAT | Backend::NAT_CLIENT => {
            nat::translate(packet, parsed, &destination.ends, way).map_err(refused)
        }
        _ => {
            let backend = tables
                .backend(number)
                .ok_or(Turn::drop(Reason::Inconsistent))?;
            // What tells flows apart to whoever spreads tunnels over links and queues.
            let entropy = hash::flow(&parsed.key, 0);
            tunnel::encapsulate(packet, parsed, &backend, entropy).map_err(refused)
        }
    }
}

/// Writes the front of a frame whose packet stays as it is.
#[inline(always)]
pub fn write<P: Packet>(packet: &mut P, parsed: &Parsed, way: &Way) -> Result<(), Turn> {
    let ether_type = match parsed.version {
        Version::V4 => ethernet::IPV4,
        Version::V6 => ethernet::IPV6,
    };
    front::write(packet, way, parsed.l3, 0, ether_type)
        .map(|_| ())
        .ok_or(Turn::drop(Reason::Truncated))
}

/// Whether a packet of this version leaves to an address of the other family.
#[inline(always)]
pub fn is_across(parsed: &Parsed, destination: &Address) -> bool {
    (parsed.version == Version::V4) != is_v4(destination)
}

/// Lowers what a SYN announces, if the service says so.
#[inline(always)]
pub fn clamp<P: Packet, T: Tables>(packet: &mut P, parsed: &Parsed, most: u16) {
    if !T::DRY_RUN
        && most != 0
        && parsed.key.protocol == u32::from(TCP)
        && parsed.flags & tcp::SYN != 0
    {
        // Without the option there is nothing to lower.
        let _ = mss::clamp(packet, parsed, most);
    }
}

/// What becomes of a packet that cannot be sent as it is.
#[inline(always)]
pub fn refused(refusal: Refusal) -> Turn {
    match refusal {
        Refusal::Truncated => Turn::drop(Reason::Truncated),
        Refusal::TooBig(mtu) => Turn::too_big(mtu),
        Refusal::Expired => Turn::expired(),
        Refusal::Untranslatable => Turn::drop(Reason::Untranslatable),
    }
}
