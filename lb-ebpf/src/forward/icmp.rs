//! Translates an ICMP error about a translated flow for the end that must learn of it (RFC 5508 section 4).

mod across;
mod meaning;

use lb_common::{Address, TCP, UDP, address::mapped};

pub use across::translate_across;

use crate::{
    checksum,
    header::{icmp, ipv4, ipv6},
    packet::{Header, Packet},
    parse::{Version, icmp::Quote},
};

/// Gives the ICMP error at `l4` of the IP packet at `l3`, which quotes a packet at `quote`, new addresses, and the packet it
/// quotes those that its receiver sent it with (RFC 5508, REQ-4 and REQ-5): `outer` is the error's source and
/// destination, `inner` the quoted packet's source, destination and ports. Type and code stay; the hop limit falls by
/// one. The Ethernet front is not touched.
///
/// Every checksum is changed by what changed of what it covers (RFC 1624), so that a wrong one stays wrong and the
/// receiver drops the message, as REQ-3 asks.
///
/// `None` where the hop limit runs out (no error is sent about an error), where an address is not of the error's
/// family, and where the frame is not what the offsets say. It is then to be dropped.
#[inline(always)]
pub fn translate<P: Packet>(
    packet: &mut P,
    version: Version,
    l3: usize,
    l4: usize,
    quote: &Quote,
    outer: (Address, Address),
    inner: (Address, Address, u32),
) -> Option<()> {
    if quote.version != version {
        return None;
    }
    let (source, destination, ports) = inner;
    let (outer, quoted) = match version {
        Version::V4 => (
            outer_v4(packet, l3, v4(outer.0)?, v4(outer.1)?)?,
            inner_v4(packet, quote.inner, v4(source)?, v4(destination)?)?,
        ),
        Version::V6 => (
            outer_v6(packet, l3, v6(outer.0)?, v6(outer.1)?)?,
            inner_v6(packet, quote.inner, v6(source)?, v6(destination)?)?,
        ),
    };
    let old = packet.header::<4>(quote.transport)?.u32::<0>();
    packet.store(quote.transport, &[ports])?;
    let ports = exchanged(old, ports);
    let checksum = transport_checksum(packet, quote, outer.end, quoted.addresses + ports)?;
    let old = icmp::checksum(&packet.header::<{ icmp::LEN }>(l4)?);
    let message = outer.pseudo + quoted.header + ports + checksum;
    packet.store_u16(l4 + 2, updated(old, message))
}

/// What is to be known of the outer header once it is changed.
struct Outer {
    /// Where its packet ends in the frame.
    end: usize,
    /// What the sum of the message's pseudo-header changed by.
    pseudo: u64,
}

/// What the quoted header's change does to sums.
struct Quoted {
    /// To that of the addresses.
    addresses: u64,
    /// To that of the whole header.
    header: u64,
}

#[inline(always)]
fn outer_v4<P: Packet>(packet: &mut P, l3: usize, source: u32, destination: u32) -> Option<Outer> {
    let (end, words) = {
        let ip = packet.header::<{ ipv4::LEN }>(l3)?;
        let old = ip.u16::<8>();
        let [hops, protocol] = old.to_ne_bytes();
        if hops <= 1 {
            return None;
        }
        let hops = hops - 1;
        let new = u16::from_ne_bytes([hops, protocol]);
        let sum = exchanged(u32::from(old), u32::from(new))
            + exchanged(ipv4::source(&ip), source)
            + exchanged(ipv4::destination(&ip), destination);
        let [a, b] = updated(ip.u16::<10>(), sum).to_ne_bytes();
        let first = u32::from_ne_bytes([hops, protocol, a, b]);
        (l3 + ipv4::total_len(&ip), [first, source, destination])
    };
    packet.store(l3 + 8, &words)?;
    // ICMP has no pseudo-header.
    Some(Outer { end, pseudo: 0 })
}

#[inline(always)]
fn outer_v6<P: Packet>(
    packet: &mut P,
    l3: usize,
    source: [u32; 4],
    destination: [u32; 4],
) -> Option<Outer> {
    let (end, first) = {
        let ip = packet.header::<{ ipv6::LEN }>(l3)?;
        let hops = ip.u8::<7>();
        if hops <= 1 {
            return None;
        }
        let [a, b] = ip.u16::<4>().to_ne_bytes();
        let first = u32::from_ne_bytes([a, b, ipv6::next_header(&ip), hops - 1]);
        (l3 + ipv6::LEN + ipv6::payload_len(&ip), first)
    };
    packet.store(l3 + 4, &[first])?;
    // ICMPv6 has one (RFC 4443 section 2.3).
    let pseudo = exchange_addresses(packet, l3, source, destination)?;
    Some(Outer { end, pseudo })
}

#[inline(always)]
fn inner_v4<P: Packet>(
    packet: &mut P,
    inner: usize,
    source: u32,
    destination: u32,
) -> Option<Quoted> {
    let (addresses, checksum) = {
        let ip = packet.header::<{ ipv4::LEN }>(inner)?;
        let addresses =
            exchanged(ipv4::source(&ip), source) + exchanged(ipv4::destination(&ip), destination);
        (addresses, updated(ip.u16::<10>(), addresses))
    };
    packet.store_u16(inner + 10, checksum)?;
    packet.store(inner + 12, &[source, destination])?;
    // The header's checksum makes up for its addresses.
    Some(Quoted {
        addresses,
        header: 0,
    })
}

#[inline(always)]
fn inner_v6<P: Packet>(
    packet: &mut P,
    inner: usize,
    source: [u32; 4],
    destination: [u32; 4],
) -> Option<Quoted> {
    let addresses = exchange_addresses(packet, inner, source, destination)?;
    Some(Quoted {
        addresses,
        header: addresses,
    })
}

/// Gives the IPv6 header at `at` new addresses. Returns what their sum changed by.
#[inline(always)]
fn exchange_addresses<P: Packet>(
    packet: &mut P,
    at: usize,
    source: [u32; 4],
    destination: [u32; 4],
) -> Option<u64> {
    let sum = {
        let ip = packet.header::<{ ipv6::LEN }>(at)?;
        let sum = exchanged(ip.u32::<8>(), source[0])
            + exchanged(ip.u32::<12>(), source[1])
            + exchanged(ip.u32::<16>(), source[2])
            + exchanged(ip.u32::<20>(), source[3]);
        sum + exchanged(ip.u32::<24>(), destination[0])
            + exchanged(ip.u32::<28>(), destination[1])
            + exchanged(ip.u32::<32>(), destination[2])
            + exchanged(ip.u32::<36>(), destination[3])
    };
    packet.store(at + 8, &source)?;
    packet.store(at + 24, &destination)?;
    Some(sum)
}

/// Changes the quoted transport header's checksum by `sum`, if it is quoted and there is one. Returns what the sum of
/// the message, which covers it as well, changed by.
#[inline(always)]
fn transport_checksum<P: Packet>(
    packet: &mut P,
    quote: &Quote,
    end: usize,
    sum: u64,
) -> Option<u64> {
    let at = match quote.protocol {
        TCP => quote.transport + 16,
        UDP => quote.transport + 6,
        _ => return None,
    };
    if at + 2 > end {
        return Some(0);
    }
    let old = packet.header::<2>(at)?.u16::<0>();
    let is_udp = quote.protocol == UDP;
    // UDP: 0 means that there is none, and one that comes out as 0 is written as 0xffff (RFC 768).
    if is_udp && old == 0 {
        return Some(0);
    }
    let new = updated(old, sum);
    let new = if is_udp && new == 0 { 0xffff } else { new };
    packet.store_u16(at, new)?;
    Some(exchanged(u32::from(old), u32::from(new)))
}

/// What a sum changes by when the word `new` takes the place of `old` (RFC 1624, equation 3).
#[inline(always)]
fn exchanged(old: u32, new: u32) -> u64 {
    u64::from(!old) + u64::from(new)
}

/// `checksum` once the sum of what it covers has changed by `sum`.
#[inline(always)]
fn updated(checksum: u16, sum: u64) -> u16 {
    checksum::finish(u64::from(!checksum) + sum)
}

/// The four bytes of an IPv4 address, the way they stand in memory.
#[inline(always)]
fn v4(address: Address) -> Option<u32> {
    let [_, _, _, _, a, b, c, d] = address[1].to_ne_bytes();
    let v4 = u32::from_ne_bytes([a, b, c, d]);
    (address == mapped(v4)).then_some(v4)
}

/// The words of an IPv6 address.
#[inline(always)]
fn v6(address: Address) -> Option<[u32; 4]> {
    let [a, b, c, d, e, f, g, h] = address[0].to_ne_bytes();
    let [i, j, k, l, m, n, o, p] = address[1].to_ne_bytes();
    let words = [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]];
    v4(address)
        .is_none()
        .then_some(words.map(u32::from_ne_bytes))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
