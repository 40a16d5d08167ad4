//! Bytes to meaning. Knows no maps.

use lb_common::{Reason, TCP, UDP, address::mapped, flow::FlowKey};

use crate::{
    header::{ethernet, ipv4, ipv6, tcp, udp},
    packet::Packet,
    verdict::Exit,
};

/// What the road needs to know of a packet that could be for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// IP version.
    pub version: Version,
    /// Its five-tuple, as seen from the client.
    pub key: FlowKey,
    /// TCP: flags of byte 13. UDP: 0.
    pub flags: u8,
    /// TCP: sequence number, the way it stands in memory. UDP: 0.
    pub sequence: u32,
}

/// IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4 without options.
    V4,
    /// IPv6 without extension headers.
    V6,
}

impl Parsed {
    /// Whether it is TCP; otherwise it is UDP.
    #[inline(always)]
    pub const fn is_tcp(&self) -> bool {
        self.key.protocol == TCP as u32
    }

    /// Whether it may begin a flow: UDP, or a SYN without ACK.
    #[inline(always)]
    pub const fn is_opening(&self) -> bool {
        !self.is_tcp() || self.flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    }
}

/// Reads the headers, or says why the packet is none of ours.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P) -> Result<Parsed, Exit> {
    let header = packet
        .header::<{ ethernet::LEN }>(0)
        .ok_or(Exit::drop(Reason::Truncated))?;
    if ethernet::is_group(&header) {
        return Err(Exit::pass(Reason::NotUnicast));
    }
    match ethernet::ether_type(&header) {
        ethernet::IPV4 => parse_v4(packet),
        ethernet::IPV6 => parse_v6(packet),
        ethernet::VLAN | ethernet::QINQ => Err(Exit::pass(Reason::Vlan)),
        _ => Err(Exit::pass(Reason::NotIp)),
    }
}

#[inline(always)]
fn parse_v4<P: Packet>(packet: &P) -> Result<Parsed, Exit> {
    const AT: usize = ethernet::LEN;
    let ip = packet
        .header::<{ ipv4::LEN }>(AT)
        .ok_or(Exit::drop(Reason::Truncated))?;
    let header_len = ipv4::header_len(&ip);
    if ipv4::version(&ip) != 4 || header_len < ipv4::LEN {
        return Err(Exit::drop(Reason::BadIpHeader));
    }
    let total = ipv4::total_len(&ip);
    if total < header_len || total > packet.len() - AT {
        return Err(Exit::drop(Reason::BadLength));
    }
    if header_len > ipv4::LEN {
        return Err(Exit::pass(Reason::Ipv4Options));
    }
    if ipv4::is_fragment(&ip) {
        return Err(Exit::pass(Reason::Fragment));
    }
    let transport =
        parse_transport::<P, { AT + ipv4::LEN }>(packet, ipv4::protocol(&ip), total - ipv4::LEN)?;
    Ok(Parsed {
        version: Version::V4,
        key: FlowKey {
            client: mapped(ipv4::source(&ip)),
            vip: mapped(ipv4::destination(&ip)),
            ports: transport.ports,
            protocol: u32::from(ipv4::protocol(&ip)),
        },
        flags: transport.flags,
        sequence: transport.sequence,
    })
}

#[inline(always)]
fn parse_v6<P: Packet>(packet: &P) -> Result<Parsed, Exit> {
    const AT: usize = ethernet::LEN;
    let ip = packet
        .header::<{ ipv6::LEN }>(AT)
        .ok_or(Exit::drop(Reason::Truncated))?;
    if ipv6::version(&ip) != 6 {
        return Err(Exit::drop(Reason::BadIpHeader));
    }
    let payload = ipv6::payload_len(&ip);
    if payload > packet.len() - AT - ipv6::LEN {
        return Err(Exit::drop(Reason::BadLength));
    }
    let next_header = ipv6::next_header(&ip);
    if next_header == ipv6::FRAGMENT {
        return Err(Exit::pass(Reason::Fragment));
    }
    if ipv6::is_extension(next_header) {
        return Err(Exit::pass(Reason::Ipv6Extension));
    }
    let transport = parse_transport::<P, { AT + ipv6::LEN }>(packet, next_header, payload)?;
    Ok(Parsed {
        version: Version::V6,
        key: FlowKey {
            client: ipv6::source(&ip),
            vip: ipv6::destination(&ip),
            ports: transport.ports,
            protocol: u32::from(next_header),
        },
        flags: transport.flags,
        sequence: transport.sequence,
    })
}

struct Transport {
    ports: u32,
    flags: u8,
    sequence: u32,
}

/// `len` is what the IP header says follows it.
#[inline(always)]
fn parse_transport<P: Packet, const AT: usize>(
    packet: &P,
    protocol: u8,
    len: usize,
) -> Result<Transport, Exit> {
    match protocol {
        TCP => {
            if len < tcp::LEN {
                return Err(Exit::drop(Reason::Truncated));
            }
            let header = packet
                .header::<{ tcp::LEN }>(AT)
                .ok_or(Exit::drop(Reason::Truncated))?;
            let header_len = tcp::header_len(&header);
            let flags = tcp::flags(&header);
            if header_len < tcp::LEN || header_len > len || !tcp::are_sane(flags) {
                return Err(Exit::drop(Reason::BadTcpHeader));
            }
            Ok(Transport {
                ports: tcp::ports(&header),
                flags,
                sequence: tcp::sequence(&header),
            })
        }
        UDP => {
            if len < udp::LEN {
                return Err(Exit::drop(Reason::Truncated));
            }
            let header = packet
                .header::<{ udp::LEN }>(AT)
                .ok_or(Exit::drop(Reason::Truncated))?;
            let length = udp::length(&header);
            if length < udp::LEN || length > len {
                return Err(Exit::drop(Reason::BadLength));
            }
            Ok(Transport {
                ports: udp::ports(&header),
                flags: 0,
                sequence: 0,
            })
        }
        _ => Err(Exit::pass(Reason::NotTcpUdp)),
    }
}
