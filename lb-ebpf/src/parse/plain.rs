//! The common case: TCP or UDP right behind an IP header without options or extension headers. Everything else that
//! could be for a service is another stage's.

use lb_common::{ICMP, ICMPV6, Reason, Stage, TCP, UDP, address::mapped, flow::FlowKey};

use super::{Parsed, Part, Version, front, transport::transport};
use crate::{
    header::{ipv4, ipv6},
    packet::Packet,
    verdict::Turn,
};

/// Reads the headers, or says which stage does, or why the packet is none of ours.
#[inline(always)]
pub fn plain<P: Packet>(packet: &P) -> Result<Parsed, Turn> {
    let (l3, version) = front(packet)?;
    match version {
        Version::V4 => plain_v4(packet, l3),
        Version::V6 => plain_v6(packet, l3),
    }
}

#[inline(always)]
fn plain_v4<P: Packet>(packet: &P, l3: usize) -> Result<Parsed, Turn> {
    let ip = packet
        .header::<{ ipv4::LEN }>(l3)
        .ok_or(Turn::drop(Reason::Truncated))?;
    let header_len = ipv4::header_len(&ip);
    if ipv4::version(&ip) != 4 || header_len < ipv4::LEN {
        return Err(Turn::drop(Reason::BadIpHeader));
    }
    let len = ipv4::total_len(&ip);
    if len < header_len || len > packet.len() - l3 {
        return Err(Turn::drop(Reason::BadLength));
    }
    let protocol = ipv4::protocol(&ip);
    if protocol != TCP && protocol != UDP {
        return Err(match protocol {
            ICMP => Turn::on(Stage::Icmp),
            _ => Turn::pass(Reason::NotTcpUdp),
        });
    }
    if header_len > ipv4::LEN || ipv4::is_fragment(&ip) {
        return Err(Turn::on(Stage::Walk));
    }
    let l4 = l3 + ipv4::LEN;
    let transport = transport(packet, protocol, l4, len - ipv4::LEN, Part::Whole)?;
    Ok(Parsed {
        version: Version::V4,
        l3,
        l4,
        len,
        key: FlowKey {
            client: mapped(ipv4::source(&ip)),
            vip: mapped(ipv4::destination(&ip)),
            ports: transport.ports,
            protocol: u32::from(protocol),
        },
        flags: transport.flags,
        sequence: transport.sequence,
        part: Part::Whole,
        id: 0,
    })
}

#[inline(always)]
fn plain_v6<P: Packet>(packet: &P, l3: usize) -> Result<Parsed, Turn> {
    let ip = packet
        .header::<{ ipv6::LEN }>(l3)
        .ok_or(Turn::drop(Reason::Truncated))?;
    if ipv6::version(&ip) != 6 {
        return Err(Turn::drop(Reason::BadIpHeader));
    }
    let payload = ipv6::payload_len(&ip);
    if payload > packet.len() - l3 - ipv6::LEN {
        return Err(Turn::drop(Reason::BadLength));
    }
    let protocol = ipv6::next_header(&ip);
    if protocol != TCP && protocol != UDP {
        return Err(if protocol == ICMPV6 {
            Turn::on(Stage::Icmp)
        } else if ipv6::is_extension(protocol) {
            Turn::on(Stage::Walk)
        } else {
            Turn::pass(Reason::NotTcpUdp)
        });
    }
    let l4 = l3 + ipv6::LEN;
    let transport = transport(packet, protocol, l4, payload, Part::Whole)?;
    Ok(Parsed {
        version: Version::V6,
        l3,
        l4,
        len: ipv6::LEN + payload,
        key: FlowKey {
            client: ipv6::source(&ip),
            vip: ipv6::destination(&ip),
            ports: transport.ports,
            protocol: u32::from(protocol),
        },
        flags: transport.flags,
        sequence: transport.sequence,
        part: Part::Whole,
        id: 0,
    })
}
