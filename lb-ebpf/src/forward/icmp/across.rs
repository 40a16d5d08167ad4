//! Translates an ICMP error about a flow between IPv4 and IPv6 for the end that must learn of it (RFC 7915 sections 4.2,
//! 4.3, 5.2 and 5.3).

use lb_common::{ICMP, ICMPV6, TCP, address::to_v4};

use super::meaning::{self, Meaning};
use crate::{
    checksum,
    forward::{
        front::{self, Way},
        nat::{self, Ends},
        refusal::Refusal,
    },
    header::{ethernet, fragment, icmp, ipv4, ipv6, udp},
    packet::{Header, Packet},
    parse::{Parsed, Version, icmp::Quote},
    tables::Tables,
    verdict::Verdict,
};

/// How much is quoted of the transport header: what RFC 792 asks for, and all that tells whose flow it is. More would
/// have to be cut to what IPv6 carries everywhere, and read for its sum.
const QUOTED: usize = 8;
/// Length of an error, with the IPv6 header it quotes.
const LEN_V6: usize = icmp::LEN + ipv6::LEN + QUOTED;
/// The same of IPv4.
const LEN_V4: usize = icmp::LEN + ipv4::LEN + QUOTED;
/// What IPv6's header is longer by.
const LONGER: usize = ipv6::LEN - ipv4::LEN;

/// Makes of the ICMP error in hand, which quotes a packet at `quote`, one of the other family with these ends, and sends
/// it off by `way`, which takes packets of at most `mtu` bytes. The packet it quotes has the same ends, the other way
/// round: that is how its receiver sent it. It is quoted to the eighth byte of its transport header, its own hop count
/// stays.
///
/// Refused as untranslatable are errors that the other family has no word for, the last hop (no error is sent about an
/// error), and a shorter quote. Nothing has changed where it is refused, unless as truncated.
#[inline(always)]
pub fn translate_across<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    parsed: &Parsed,
    quote: &Quote,
    ends: &Ends,
    way: &Way,
    mtu: u16,
) -> Result<Verdict, Refusal> {
    if quote.transport + QUOTED > parsed.l3 + parsed.len {
        return Err(Refusal::Untranslatable);
    }
    let written = match parsed.version {
        Version::V4 => {
            let message = compose_v6(packet, tables, parsed, quote, ends, mtu)?;
            write(packet, parsed, quote, way, ethernet::IPV6, &message)
        }
        Version::V6 => {
            let message = compose_v4(packet, tables, parsed, quote, ends, mtu)?;
            write(packet, parsed, quote, way, ethernet::IPV4, &message)
        }
    };
    written.ok_or(Refusal::Truncated)?;
    Ok(front::leave(packet, way))
}

/// A packet with an error whose IP headers have this many words.
struct Message<const WORDS: usize> {
    /// Its IP header.
    outer: [u32; WORDS],
    /// Its ICMP header.
    header: [u32; 2],
    /// The IP header it quotes.
    inner: [u32; WORDS],
    /// What it quotes of the transport header.
    transport: [u32; 2],
}

#[inline(always)]
fn compose_v6<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    parsed: &Parsed,
    quote: &Quote,
    ends: &Ends,
    mtu: u16,
) -> Result<Message<{ ipv6::LEN / 4 }>, Refusal> {
    let ip = packet
        .header::<{ ipv4::LEN }>(parsed.l3)
        .ok_or(Refusal::Truncated)?;
    let about = packet
        .header::<{ ipv4::LEN }>(quote.inner)
        .ok_or(Refusal::Truncated)?;
    let hops = lowered(ipv4::hops(&ip))?;
    let len = ipv4::total_len(&about);
    let said = meaning::into_v6(said(packet, parsed.l4)?, len as u16, mtu);
    let header = words(tables, said)?;
    if nat::has_source_route(packet, parsed) {
        return Err(Refusal::Untranslatable);
    }
    let (source, destination) = (&ends.source, &ends.destination);
    let outer = ipv6::composed(
        ipv4::traffic_class(&ip),
        LEN_V6,
        [ICMPV6, hops],
        source,
        destination,
    );
    let inner = ipv6::composed(
        ipv4::traffic_class(&about),
        len.saturating_sub(quote.transport - quote.inner),
        [quote.protocol, ipv4::hops(&about)],
        destination,
        source,
    );
    let addresses = checksum::add(0, &ipv6::words(source));
    let addresses = checksum::add(addresses, &ipv6::words(destination));
    let former = [ipv4::source(&about), ipv4::destination(&about)];
    let transport = transport(packet, quote, ends, checksum::remove(addresses, &former))?;
    // Of the pseudo-header (RFC 8200 section 8.1).
    let sum = checksum::add(addresses, &[word([0, ICMPV6, 0, LEN_V6 as u8])]);
    let header = finished(header, checksum::add(sum, &inner), &transport);
    Ok(Message {
        outer,
        header,
        inner,
        transport,
    })
}

#[inline(always)]
fn compose_v4<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    parsed: &Parsed,
    quote: &Quote,
    ends: &Ends,
    mtu: u16,
) -> Result<Message<{ ipv4::LEN / 4 }>, Refusal> {
    let ip = packet
        .header::<{ ipv6::LEN }>(parsed.l3)
        .ok_or(Refusal::Truncated)?;
    let about = packet
        .header::<{ ipv6::LEN }>(quote.inner)
        .ok_or(Refusal::Truncated)?;
    let hops = lowered(ipv6::hops(&ip))?;
    let size = quote.transport - quote.inner;
    let is_fragment = ipv6::next_header(&about) == ipv6::FRAGMENT;
    let is_fragment = is_fragment && size == ipv6::LEN + fragment::LEN;
    let (fragmentation, longer) = if is_fragment {
        let header = packet
            .header::<{ fragment::LEN }>(quote.inner + ipv6::LEN)
            .ok_or(Refusal::Truncated)?;
        (fragment::into_v4(&header), LONGER + fragment::LEN)
    } else {
        // Nobody knows the identification it was sent with.
        (word([0, 0, ipv4::DONT_FRAGMENT, 0]), LONGER)
    };
    let said = meaning::into_v4(said(packet, parsed.l4)?, longer as u32, mtu);
    let header = words(tables, said)?;
    let (source, destination) = (to_v4(&ends.source), to_v4(&ends.destination));
    let len = ipv6::LEN + ipv6::payload_len(&about);
    let inner = ipv4::composed(
        ipv6::traffic_class(&about),
        ipv4::LEN + len.saturating_sub(size),
        fragmentation,
        [ipv6::hops(&about), quote.protocol],
        destination,
        source,
    );
    let addresses = checksum::remove(0, &ipv6::words(&ipv6::source(&about)));
    let addresses = checksum::remove(addresses, &ipv6::words(&ipv6::destination(&about)));
    let addresses = checksum::add(addresses, &[source, destination]);
    let transport = transport(packet, quote, ends, addresses)?;
    let header = finished(header, checksum::add(0, &inner), &transport);
    // It may be fragmented: its checksum is the identification, as for other small packets.
    let [_, _, a, b] = header[0].to_ne_bytes();
    let outer = ipv4::composed(
        ipv6::traffic_class(&ip),
        ipv4::LEN + LEN_V4,
        word([a, b, 0, 0]),
        [hops, ICMP],
        source,
        destination,
    );
    Ok(Message {
        outer,
        header,
        inner,
        transport,
    })
}

/// What the header at `l4` says.
#[inline(always)]
fn said<P: Packet>(packet: &P, l4: usize) -> Result<Meaning, Refusal> {
    let header = packet
        .header::<{ icmp::LEN }>(l4)
        .ok_or(Refusal::Truncated)?;
    Ok(Meaning {
        kind: icmp::kind(&header),
        code: icmp::code(&header),
        rest: u32::from_be(header.u32::<4>()),
    })
}

/// The header of the message, without its checksum. The verifier forgets which of the many errors it is.
#[inline(always)]
fn words<T: Tables>(tables: &T, said: Option<Meaning>) -> Result<[u32; 2], Refusal> {
    let Meaning { kind, code, rest } = said.ok_or(Refusal::Untranslatable)?;
    Ok([
        tables.opaque(word([kind, code, 0, 0])),
        tables.opaque(rest.to_be()),
    ])
}

/// The header with the checksum of a message that adds up to `sum` before its `transport`.
#[inline(always)]
fn finished(header: [u32; 2], sum: u64, transport: &[u32; 2]) -> [u32; 2] {
    let [kind, code, ..] = header[0].to_ne_bytes();
    let sum = checksum::add(checksum::add(sum, &header), transport);
    let [a, b] = checksum::finish(sum).to_ne_bytes();
    [word([kind, code, a, b]), header[1]]
}

/// What is quoted of the transport header, as it was sent: with its own ports, and the checksum of a datagram changed by
/// `change`, that of the pseudo-header. That of a segment lies behind.
#[inline(always)]
fn transport<P: Packet>(
    packet: &P,
    quote: &Quote,
    ends: &Ends,
    change: u64,
) -> Result<[u32; 2], Refusal> {
    let header = packet
        .header::<QUOTED>(quote.transport)
        .ok_or(Refusal::Truncated)?;
    // It went the other way.
    let ports = ends.ports.rotate_left(16);
    let (old, second) = (header.u32::<0>(), header.u32::<4>());
    let field = udp::checksum(&header);
    if quote.protocol == TCP || field == 0 {
        return Ok([ports, second]);
    }
    let [a, b, ..] = second.to_ne_bytes();
    let change = checksum::add(checksum::remove(change, &[old]), &[ports]);
    let [c, d] = match checksum::update(field, change) {
        0 => [0xff, 0xff],
        field => field.to_ne_bytes(),
    };
    Ok([ports, word([a, b, c, d])])
}

/// Puts `message` and the front of `way` in the place of everything.
#[inline(always)]
fn write<P: Packet, const WORDS: usize>(
    packet: &mut P,
    parsed: &Parsed,
    quote: &Quote,
    way: &Way,
    ether_type: u16,
    message: &Message<WORDS>,
) -> Option<()> {
    let size = 2 * 4 * WORDS + icmp::LEN;
    let room = size as isize - (quote.transport - parsed.l3) as isize;
    let at = front::rewrite(packet, way, parsed.l3, room, ether_type)?;
    packet.store(at, &message.outer)?;
    let at = at + 4 * WORDS;
    packet.store(at, &message.header)?;
    let at = at + icmp::LEN;
    packet.store(at, &message.inner)?;
    let at = at + 4 * WORDS;
    packet.store(at, &message.transport)?;
    packet.truncate(at + QUOTED)
}

/// One hop less, where that leaves one.
#[inline(always)]
fn lowered(hops: u8) -> Result<u8, Refusal> {
    nat::lowered(hops).map_err(|_| Refusal::Untranslatable)
}

#[inline(always)]
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
