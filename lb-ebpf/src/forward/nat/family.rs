//! Translation between IPv4 and IPv6 (RFC 7915): the IP header is replaced, what it carries stays.
//!
//! None is fragmented: where RFC 7915 section 4 would, the packet is refused as too big. What came as a fragment leaves
//! as one. IPv4 options are left out (section 4.1), and so are IPv6 extension headers (section 5.1).

use lb_common::address::to_v4;

use super::{Ends, lowered, ports_and_checksum, store_ports, word};
use crate::{
    checksum,
    forward::{
        front::{self, Way},
        options,
        refusal::Refusal,
    },
    header::{ethernet, fragment, ipv4, ipv6},
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
///
/// A later fragment has neither ports nor a transport checksum: only its IP header is replaced.
#[inline(always)]
pub fn translate_across<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    ends: &Ends,
    way: &Way,
    mtu: u16,
) -> Result<Verdict, Refusal> {
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
    let size = match parsed.part {
        Part::Whole => ipv6::LEN,
        Part::First | Part::Later => ipv6::LEN + fragment::LEN,
    };
    let (header, piece, change) = compose_v6(packet, parsed, ends, size, mtu)?;
    let at = replace(packet, parsed, way, size, &header, ethernet::IPV6)?;
    if parsed.part != Part::Whole {
        packet
            .store(at + ipv6::LEN, &piece)
            .ok_or(Refusal::Truncated)?;
    }
    carry_on(packet, parsed, at + size, ends, change)?;
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
    let at = replace(packet, parsed, way, ipv4::LEN, &header, ethernet::IPV4)?;
    carry_on(packet, parsed, at + ipv4::LEN, ends, change)?;
    Ok(front::leave(packet, way))
}

/// Mends the transport header, which begins at `l4` now, where the frame has one.
#[inline(always)]
fn carry_on<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    l4: usize,
    ends: &Ends,
    change: u64,
) -> Result<(), Refusal> {
    if parsed.part == Part::Later {
        return Ok(());
    }
    store_ports(packet, parsed, l4, ends.ports, change).ok_or(Refusal::Truncated)
}

/// The IPv6 header (RFC 7915 section 4.1), the fragment header that a fragment has, of `size` bytes together with it,
/// and what the change of addresses adds to a sum that covers them.
#[inline(always)]
fn compose_v6<P: Packet>(
    packet: &P,
    parsed: &Parsed,
    ends: &Ends,
    size: usize,
    mtu: u16,
) -> Result<([u32; 10], [u32; 2], u64), Refusal> {
    let ip = packet
        .header::<{ ipv4::LEN }>(parsed.l3)
        .ok_or(Refusal::Truncated)?;
    let hops = lowered(ipv4::hops(&ip))?;
    let len = new_len(parsed, size, mtu)?;
    if has_source_route(packet, parsed) || is_unsummed(packet, parsed)? {
        return Err(Refusal::Untranslatable);
    }
    let protocol = ipv4::protocol(&ip);
    let next = match parsed.part {
        Part::Whole => protocol,
        Part::First | Part::Later => ipv6::FRAGMENT,
    };
    let header = ipv6::composed(
        ipv4::traffic_class(&ip),
        len - ipv6::LEN,
        [next, hops],
        &ends.source,
        &ends.destination,
    );
    let change = checksum::remove(0, &[ipv4::source(&ip), ipv4::destination(&ip)]);
    let change = checksum::add(change, &ipv6::words(&ends.source));
    let change = checksum::add(change, &ipv6::words(&ends.destination));
    let piece = fragment::into_v6(protocol, ipv4::fragmentation(&ip));
    Ok((header, piece, change))
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
    let fragmentation = fragmentation(packet, parsed, ipv6::next_header(&ip), len)?;
    let (source, destination) = (to_v4(&ends.source), to_v4(&ends.destination));
    let header = ipv4::composed(
        ipv6::traffic_class(&ip),
        len,
        fragmentation,
        [hops, parsed.key.protocol as u8],
        source,
        destination,
    );
    let change = checksum::remove(0, &ipv6::words(&ipv6::source(&ip)));
    let change = checksum::remove(change, &ipv6::words(&ipv6::destination(&ip)));
    Ok((header, checksum::add(change, &[source, destination])))
}

/// The second word of the IPv4 header of a packet of `len` bytes whose IPv6 header is followed by `next`.
#[inline(always)]
fn fragmentation<P: Packet>(
    packet: &P,
    parsed: &Parsed,
    next: u8,
    len: usize,
) -> Result<u32, Refusal> {
    if next == ipv6::FRAGMENT && parsed.l4 - parsed.l3 == ipv6::LEN + fragment::LEN {
        let header = packet
            .header::<{ fragment::LEN }>(parsed.l3 + ipv6::LEN)
            .ok_or(Refusal::Truncated)?;
        return Ok(fragment::into_v4(&header));
    }
    // With other extension headers: those behind the fragment header count in the offsets of the later fragments, so
    // that they cannot be left out of the first one.
    if parsed.part != Part::Whole {
        return Err(Refusal::Untranslatable);
    }
    if len > SMALL {
        return Ok(word([0, 0, ipv4::DONT_FRAGMENT, 0]));
    }
    // It may be fragmented and needs an identification of its own. The transport checksum is one that takes no
    // memory: packets that share it are rare unless they are the same.
    let (_, field) = ports_and_checksum(packet, parsed, parsed.l4).ok_or(Refusal::Truncated)?;
    let [a, b] = field.to_ne_bytes();
    Ok(word([a, b, 0, 0]))
}

/// Whether it is a datagram without checksum: not valid in IPv6, and to compute one takes the whole payload. RFC 7915
/// section 4.5 lets it be dropped.
#[inline(always)]
fn is_unsummed<P: Packet>(packet: &P, parsed: &Parsed) -> Result<bool, Refusal> {
    if parsed.part == Part::Later || parsed.is_tcp() {
        return Ok(false);
    }
    let (_, field) = ports_and_checksum(packet, parsed, parsed.l4).ok_or(Refusal::Truncated)?;
    Ok(field == 0)
}

/// Puts `size` bytes that begin with `header`, and the front of `way`, in the place of everything before the transport
/// header, and returns where the IP header begins then.
#[inline(always)]
fn replace<P: Packet, const WORDS: usize>(
    packet: &mut P,
    parsed: &Parsed,
    way: &Way,
    size: usize,
    header: &[u32; WORDS],
    ether_type: u16,
) -> Result<usize, Refusal> {
    let room = size as isize - (parsed.l4 - parsed.l3) as isize;
    front::rewrite(packet, way, parsed.l3, room, ether_type)
        .and_then(|at| packet.store(at, header).map(|()| at))
        .ok_or(Refusal::Truncated)
}

/// Length of the packet with headers of `header` bytes before the transport header, where that is not above `mtu`.
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

/// Whether the IPv4 header has a source route that goes on: "If an unexpired source route option is present, then the
/// packet MUST instead be discarded" (RFC 7915 section 4.1). It is expired where its pointer, the third byte, is past its
/// end (RFC 791 section 3.1).
#[inline(always)]
pub fn has_source_route<P: Packet>(packet: &P, parsed: &Parsed) -> bool {
    let start = parsed.l3 + ipv4::LEN;
    let Some(found) = options::find(packet, start, parsed.l4 - start, SOURCE_ROUTES) else {
        return false;
    };
    packet
        .header::<3>(start + found.at)
        .is_none_or(|option| usize::from(option.u8::<2>()) <= found.len)
}
