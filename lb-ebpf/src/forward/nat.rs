//! Network address translation: both ends of a packet are replaced, its hop count is lowered by one, and its
//! checksums follow the change (RFC 1624), so that the payload is never read.

use lb_common::{Address, address::to_v4};

use crate::{
    checksum,
    forward::{
        front::{self, Way},
        refusal::Refusal,
    },
    header::{ethernet, ipv4, ipv6, tcp, udp},
    packet::Packet,
    parse::{Parsed, Part, Version},
    verdict::Verdict,
};

mod family;

pub use family::{has_source_route, translate_across};

/// The ends a packet is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Its source address.
    pub source: Address,
    /// Its destination address, of the same family.
    pub destination: Address,
    /// Its source port, then its destination port, in network order the way they stand in memory.
    pub ports: u32,
}

/// Gives the packet other ends of the family it has, and sends it off by `way`.
///
/// A later fragment has neither ports nor a transport checksum: only its IP header changes. Nothing has changed
/// where the packet is refused as expired.
#[inline(always)]
pub fn translate<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    ends: &Ends,
    way: &Way,
) -> Result<Verdict, Refusal> {
    let l3 = parsed.l3;
    let (stored, change, ether_type) = match parsed.version {
        Version::V4 => {
            let (words, change) = compose_v4(packet, l3, ends)?;
            (packet.store(l3 + 8, &words), change, ethernet::IPV4)
        }
        Version::V6 => {
            let (next_and_hops, words, change) = compose_v6(packet, l3, ends)?;
            let stored = packet
                .store_u16(l3 + 6, next_and_hops)
                .and_then(|()| packet.store(l3 + 8, &words));
            (stored, change, ethernet::IPV6)
        }
    };
    stored.ok_or(Refusal::Truncated)?;
    if !matches!(parsed.part, Part::Later) {
        store_ports(packet, parsed, parsed.l4, ends.ports, change).ok_or(Refusal::Truncated)?;
    }
    front::write(packet, way, l3, 0, ether_type).ok_or(Refusal::Truncated)?;
    Ok(front::leave(packet, way))
}

/// The IPv4 header from its time to live on, and what the change of addresses adds to a sum that covers them.
#[inline(always)]
fn compose_v4<P: Packet>(packet: &P, l3: usize, ends: &Ends) -> Result<([u32; 3], u64), Refusal> {
    let ip = packet
        .header::<{ ipv4::LEN }>(l3)
        .ok_or(Refusal::Truncated)?;
    let hops = ipv4::hops(&ip);
    let left = lowered(hops)?;
    let protocol = ipv4::protocol(&ip);
    let (source, destination) = (to_v4(&ends.source), to_v4(&ends.destination));
    let addresses = checksum::remove(0, &[ipv4::source(&ip), ipv4::destination(&ip)]);
    let addresses = checksum::add(addresses, &[source, destination]);
    let header = checksum::remove(addresses, &[word([hops, protocol, 0, 0])]);
    let header = checksum::add(header, &[word([left, protocol, 0, 0])]);
    let [a, b] = checksum::update(ipv4::checksum(&ip), header).to_ne_bytes();
    let words = [word([left, protocol, a, b]), source, destination];
    Ok((words, addresses))
}

/// The IPv6 header's next header and hop limit, its addresses, and what their change adds to a sum that covers them.
#[inline(always)]
fn compose_v6<P: Packet>(
    packet: &P,
    l3: usize,
    ends: &Ends,
) -> Result<(u16, [u32; 8], u64), Refusal> {
    let ip = packet
        .header::<{ ipv6::LEN }>(l3)
        .ok_or(Refusal::Truncated)?;
    let next_and_hops = [ipv6::next_header(&ip), lowered(ipv6::hops(&ip))?];
    let [a, b, c, d] = ipv6::words(&ends.source);
    let [e, f, g, h] = ipv6::words(&ends.destination);
    let words = [a, b, c, d, e, f, g, h];
    let addresses = checksum::remove(0, &ipv6::words(&ipv6::source(&ip)));
    let addresses = checksum::remove(addresses, &ipv6::words(&ipv6::destination(&ip)));
    let addresses = checksum::add(addresses, &words);
    Ok((u16::from_ne_bytes(next_and_hops), words, addresses))
}

/// One hop less, where that leaves one.
#[inline(always)]
pub const fn lowered(hops: u8) -> Result<u8, Refusal> {
    if hops <= 1 {
        Err(Refusal::Expired)
    } else {
        Ok(hops - 1)
    }
}

/// Stores the ports of the transport header at `l4` and mends its checksum for them and for `change`, that of the
/// pseudo-header.
#[inline(always)]
fn store_ports<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    l4: usize,
    ports: u32,
    change: u64,
) -> Option<()> {
    let (old, field) = ports_and_checksum(packet, parsed, l4)?;
    let change = checksum::add(checksum::remove(change, &[old]), &[ports]);
    packet.store(l4, &[ports])?;
    if parsed.is_tcp() {
        return packet.store_u16(l4 + tcp::CHECKSUM, checksum::update(field, change));
    }
    // "If the computed checksum is zero, it is transmitted as all ones [...]. An all zero transmitted checksum value
    // means that the transmitter generated no checksum" (RFC 768); in IPv6, a tunnel may (RFC 6935 section 5).
    match (field, checksum::update(field, change)) {
        (0, _) => Some(()),
        (_, 0) => packet.store_u16(l4 + udp::CHECKSUM, 0xffff),
        (_, field) => packet.store_u16(l4 + udp::CHECKSUM, field),
    }
}

/// Ports and checksum of the transport header at `l4`, the way they stand in memory.
#[inline(always)]
fn ports_and_checksum<P: Packet>(packet: &P, parsed: &Parsed, l4: usize) -> Option<(u32, u16)> {
    if parsed.is_tcp() {
        let segment = packet.header::<{ tcp::LEN }>(l4)?;
        Some((tcp::ports(&segment), tcp::checksum(&segment)))
    } else {
        let datagram = packet.header::<{ udp::LEN }>(l4)?;
        Some((udp::ports(&datagram), udp::checksum(&datagram)))
    }
}

#[inline(always)]
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
