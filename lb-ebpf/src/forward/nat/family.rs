//! Translation between IPv4 and IPv6 (RFC 7915): the IP header is replaced, what it carries stays.
//!
//! Only whole packets are translated, and none is fragmented: where RFC 7915 section 4 would, the packet is refused
//! as too big. IPv4 options are left out (section 4.1), and so are IPv6 extension headers (section 5.1).

use lb_common::address::to_v4;

use super::{Ends, lowered, ports_and_checksum, store_ports, word};
use crate::{
    checksum,
    forward::{
        front::{self, Way},
        options,
        refusal::Refusal,
    },
    header::{ethernet, ipv4, ipv6},
    packet::{Header, Packet},
    parse::{Parsed, Part, Version},
    verdict::Verdict,
};

/// Kinds of the source route options, loose and strict (RFC 791 section 3.1).
const SOURCE_ROUTES: [u8; 2] = [131, 137];
/// Longest packet that IPv6 carries everywhere, after its header became an IPv4 one (RFC 7915 section 5.1).
const SMALL: usize = 1260;

/// Gives the packet ends of the other family, and sends it off by `way`, which takes packets of at most `mtu` bytes.
/// Nothing has changed where it is refused, unless as truncated.
#[inline(always)]
pub fn translate_across<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    ends: &Ends,
    way: &Way,
    mtu: u16,
) -> Result<Verdict, Refusal> {
    if parsed.part != Part::Whole {
        return Err(Refusal::Untranslatable);
    }
    match parsed.version {
        Version::V4 => into_v6(packet, parsed, ends, way, mtu),
        Version::V6 => into_v4(packet, parsed, ends, way, mtu),
    }
}

#[inline(always)]
fn into_v6<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    ends: &Ends,
    way: &Way,
    mtu: u16,
) -> Result<Verdict, Refusal> {
    let (header, change) = compose_v6(packet, parsed, ends, mtu)?;
    replace(packet, parsed, way, &header, ethernet::IPV6)
        .and_then(|at| store_ports(packet, parsed, at + ipv6::LEN, ends.ports, change))
        .ok_or(Refusal::Truncated)?;
    Ok(front::leave(packet, way))
}

#[inline(always)]
fn into_v4<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    ends: &Ends,
    way: &Way,
    mtu: u16,
) -> Result<Verdict, Refusal> {
    let (header, change) = compose_v4(packet, parsed, ends, mtu)?;
    replace(packet, parsed, way, &header, ethernet::IPV4)
        .and_then(|at| store_ports(packet, parsed, at + ipv4::LEN, ends.ports, change))
        .ok_or(Refusal::Truncated)?;
    Ok(front::leave(packet, way))
}

/// The IPv6 header (RFC 7915 section 4.1), and what the change of addresses adds to a sum that covers them.
#[inline(always)]
fn compose_v6<P: Packet>(
    packet: &P,
    parsed: &Parsed,
    ends: &Ends,
    mtu: u16,
) -> Result<([u32; 10], u64), Refusal> {
    let ip = packet
        .header::<{ ipv4::LEN }>(parsed.l3)
        .ok_or(Refusal::Truncated)?;
    let hops = lowered(ipv4::hops(&ip))?;
    let len = new_len(parsed, ipv6::LEN, mtu)?;
    let (_, field) = ports_and_checksum(packet, parsed, parsed.l4).ok_or(Refusal::Truncated)?;
    // A datagram without checksum is not valid in IPv6, and to compute one takes the whole payload: RFC 7915 section
    // 4.5 lets it be dropped.
    if has_source_route(packet, parsed) || !parsed.is_tcp() && field == 0 {
        return Err(Refusal::Untranslatable);
    }
    let [high, low] = ((len - ipv6::LEN) as u16).to_be_bytes();
    let [a, b, c, d] = ipv6::words(&ends.source);
    let [e, f, g, h] = ipv6::words(&ends.destination);
    let first = ipv6::first_word(ipv4::traffic_class(&ip), 0);
    let second = word([high, low, ipv4::protocol(&ip), hops]);
    let change = checksum::remove(0, &[ipv4::source(&ip), ipv4::destination(&ip)]);
    let change = checksum::add(change, &[a, b, c, d, e, f, g, h]);
    Ok(([first, second, a, b, c, d, e, f, g, h], change))
}

/// The IPv4 header (RFC 7915 section 5.1), and what the change of addresses adds to a sum that covers them.
#[inline(always)]
fn compose_v4<P: Packet>(
    packet: &P,
    parsed: &Parsed,
    ends: &Ends,
    mtu: u16,
) -> Result<([u32; 5], u64), Refusal> {
    let ip = packet
        .header::<{ ipv6::LEN }>(parsed.l3)
        .ok_or(Refusal::Truncated)?;
    let hops = lowered(ipv6::hops(&ip))?;
    let len = new_len(parsed, ipv4::LEN, mtu)?;
    let fragmentation = if len > SMALL {
        word([0, 0, ipv4::DONT_FRAGMENT, 0])
    } else {
        // It may be fragmented and needs an identification of its own. The transport checksum is one that takes no
        // memory: packets that share it are rare unless they are the same.
        let (_, field) = ports_and_checksum(packet, parsed, parsed.l4).ok_or(Refusal::Truncated)?;
        let [a, b] = field.to_ne_bytes();
        word([a, b, 0, 0])
    };
    let protocol = parsed.key.protocol as u8;
    let [high, low] = (len as u16).to_be_bytes();
    let (source, destination) = (to_v4(&ends.source), to_v4(&ends.destination));
    let mut header = [
        word([0x45, ipv6::traffic_class(&ip), high, low]),
        fragmentation,
        word([hops, protocol, 0, 0]),
        source,
        destination,
    ];
    let [a, b] = checksum::finish(checksum::add(0, &header)).to_ne_bytes();
    header[2] = word([hops, protocol, a, b]);
    let change = checksum::remove(0, &ipv6::words(&ipv6::source(&ip)));
    let change = checksum::remove(change, &ipv6::words(&ipv6::destination(&ip)));
    Ok((header, checksum::add(change, &[source, destination])))
}

/// Puts `header` and the front of `way` in the place of everything before the transport header, and returns where the
/// IP header begins then.
#[inline(always)]
fn replace<P: Packet, const WORDS: usize>(
    packet: &mut P,
    parsed: &Parsed,
    way: &Way,
    header: &[u32; WORDS],
    ether_type: u16,
) -> Option<usize> {
    let room = (4 * WORDS) as isize - (parsed.l4 - parsed.l3) as isize;
    let at = front::rewrite(packet, way, parsed.l3, room, ether_type)?;
    packet.store(at, header)?;
    Some(at)
}

/// Length of the packet with an IP header of `header` bytes, where that is not above `mtu`.
#[inline(always)]
const fn new_len(parsed: &Parsed, header: usize, mtu: u16) -> Result<usize, Refusal> {
    let old = parsed.l4 - parsed.l3;
    let len = parsed.len - old + header;
    if len > mtu as usize {
        return Err(Refusal::TooBig(
            (mtu as usize + old).saturating_sub(header) as u16
        ));
    }
    Ok(len)
}

/// "If an unexpired source route option is present, then the packet MUST instead be discarded" (RFC 7915 section
/// 4.1). It is expired where its pointer, the third byte, is past its end (RFC 791 section 3.1).
#[inline(always)]
fn has_source_route<P: Packet>(packet: &P, parsed: &Parsed) -> bool {
    let start = parsed.l3 + ipv4::LEN;
    let Some(found) = options::find(packet, start, parsed.l4 - start, SOURCE_ROUTES) else {
        return false;
    };
    packet
        .header::<3>(start + found.at)
        .is_none_or(|option| usize::from(option.u8::<2>()) <= found.len)
}
