//! Every case: IPv4 options, IPv6 extension headers, fragments.

use lb_common::{Address, ICMP, ICMPV6, Reason, Stage, TCP, UDP, address::mapped, flow::FlowKey};

use super::{Parsed, Part, Version, front, transport::transport};
use crate::{
    header::{ipv4, ipv6},
    packet::{Header as _, Packet},
    verdict::Turn,
};

/// Most IPv6 extension headers that are walked. RFC 8200 section 4.1 recommends an order in which each kind comes once,
/// destination options twice: more than six is nobody's packet.
const MAX_EXTENSIONS: u32 = 6;

/// What the IP header and everything up to the transport header say.
pub struct Internet {
    /// IP version.
    pub version: Version,
    /// Where the IP header begins in the frame.
    pub l3: usize,
    /// Where the transport header begins in the frame.
    pub l4: usize,
    /// Length of the IP packet in bytes, its header included.
    pub len: usize,
    /// Protocol of what follows.
    pub protocol: u8,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// What part of a packet it is.
    pub part: Part,
    /// Identification of that packet, the way it stands in memory.
    pub id: u32,
}

/// Reads the headers of a TCP or UDP packet.
#[inline(always)]
pub fn full<P: Packet>(packet: &P) -> Result<Parsed, Turn> {
    let ip = internet(packet)?;
    if ip.protocol != TCP && ip.protocol != UDP {
        return Err(match (ip.protocol, ip.version) {
            (ICMP, Version::V4) | (ICMPV6, Version::V6) => Turn::on(Stage::Icmp),
            _ => Turn::pass(Reason::NotTcpUdp),
        });
    }
    let mut parsed = Parsed {
        version: ip.version,
        l3: ip.l3,
        l4: ip.l4,
        len: ip.len,
        key: FlowKey {
            client: ip.source,
            vip: ip.destination,
            ports: 0,
            protocol: u32::from(ip.protocol),
        },
        flags: 0,
        sequence: 0,
        part: ip.part,
        id: ip.id,
    };
    if ip.part == Part::Later {
        return Ok(parsed);
    }
    let len = (ip.l3 + ip.len).wrapping_sub(ip.l4);
    let transport = transport(packet, ip.protocol, ip.l4, len, ip.part)?;
    parsed.key.ports = transport.ports;
    parsed.flags = transport.flags;
    parsed.sequence = transport.sequence;
    Ok(parsed)
}

/// Reads the frame up to the transport header.
#[inline(always)]
pub fn internet<P: Packet>(packet: &P) -> Result<Internet, Turn> {
    let (l3, version) = front(packet)?;
    match version {
        Version::V4 => internet_v4(packet, l3),
        Version::V6 => internet_v6(packet, l3),
    }
}

#[inline(always)]
fn internet_v4<P: Packet>(packet: &P, l3: usize) -> Result<Internet, Turn> {
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
    let offset = ipv4::fragment_offset(&ip);
    let part = if !ipv4::is_fragment(&ip) {
        Part::Whole
    } else if offset == 0 {
        Part::First
    } else if offset == 1 && protocol == TCP {
        // It would lie across the TCP header (RFC 1858 section 4, RFC 3128).
        return Err(Turn::drop(Reason::FragmentTiny));
    } else {
        Part::Later
    };
    Ok(Internet {
        version: Version::V4,
        l3,
        l4: l3 + header_len,
        len,
        protocol,
        source: mapped(ipv4::source(&ip)),
        destination: mapped(ipv4::destination(&ip)),
        part,
        id: u32::from(ipv4::identification(&ip)),
    })
}

#[inline(always)]
fn internet_v6<P: Packet>(packet: &P, l3: usize) -> Result<Internet, Turn> {
    let ip = packet
        .header::<{ ipv6::LEN }>(l3)
        .ok_or(Turn::drop(Reason::Truncated))?;
    if ipv6::version(&ip) != 6 {
        return Err(Turn::drop(Reason::BadIpHeader));
    }
    let len = ipv6::LEN + ipv6::payload_len(&ip);
    if len > packet.len() - l3 {
        return Err(Turn::drop(Reason::BadLength));
    }
    let chain = extensions(packet, ipv6::next_header(&ip), l3 + ipv6::LEN, l3 + len)?;
    Ok(Internet {
        version: Version::V6,
        l3,
        l4: chain.l4,
        len,
        protocol: chain.protocol,
        source: ipv6::source(&ip),
        destination: ipv6::destination(&ip),
        part: chain.part,
        id: chain.id,
    })
}

struct Chain {
    protocol: u8,
    l4: usize,
    part: Part,
    id: u32,
}

/// Walks the extension headers from `at` on to the transport header, or to a fragment that is not the first: what
/// follows its header is the middle of something.
#[inline(always)]
fn extensions<P: Packet>(
    packet: &P,
    mut protocol: u8,
    mut at: usize,
    end: usize,
) -> Result<Chain, Turn> {
    let mut part = Part::Whole;
    let mut id = 0;
    let mut walked = 0;
    while walked < MAX_EXTENSIONS && ipv6::is_walked(protocol) {
        if at + 8 > end {
            return Err(Turn::drop(Reason::Truncated));
        }
        let header = packet
            .header::<8>(at)
            .ok_or(Turn::drop(Reason::Truncated))?;
        let next = header.u8::<0>();
        if protocol == ipv6::FRAGMENT {
            let offset = u16::from_be(header.u16::<2>());
            id = header.u32::<4>();
            if offset >> 3 == 1 && next == TCP {
                // It would lie across the TCP header, as in IPv4.
                return Err(Turn::drop(Reason::FragmentTiny));
            }
            if offset >> 3 != 0 {
                return Ok(Chain {
                    protocol: next,
                    l4: at + 8,
                    part: Part::Later,
                    id,
                });
            }
            // Neither an offset nor more to come: a whole packet all the same (RFC 6946).
            if offset & 1 != 0 {
                part = Part::First;
            }
            at += 8;
        } else {
            at += ipv6::extension_len(protocol, header.u8::<1>());
        }
        protocol = next;
        walked += 1;
    }
    if ipv6::is_walked(protocol) {
        return Err(Turn::drop(Reason::TooManyHeaders));
    }
    Ok(Chain {
        protocol,
        l4: at,
        part,
        id,
    })
}
