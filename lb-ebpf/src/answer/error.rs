//! ICMP errors about the packet in hand (RFC 792, RFC 4443 section 3).

use lb_common::{ICMP, ICMPV6};

use super::{ADDRESSES_V6, header_v4, header_v6, pseudo, turned, word};
use crate::{
    checksum,
    header::{ethernet, icmp, ipv4, ipv6},
    packet::{Header, Packet},
    parse::{
        Version,
        icmp::{Inside, inside},
    },
};

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is longer than the next hop takes, and may not be fragmented.
    TooBig {
        /// Longest IP packet that would have fitted, in bytes.
        mtu: u32,
    },
    /// Its time to live or hop limit ran out here.
    Expired,
}

/// Most bytes of a packet that an error about it quotes; a multiple of 4. They hold IP header and transport header: all
/// that the sender needs in order to find the flow. It is less than RFC 1812 section 4.3.2.3 (SHOULD) and RFC 4443
/// section 2.4 (c) (MUST) ask for, as much as fits into 576 and 1280 bytes, because each quoted word is read and summed.
pub const QUOTE: usize = 128;

/// Turns the frame into an error about the IP packet at `l3` for the packet's sender.
///
/// `None` where the packet is one that no error may be about, or `l3` not what VLAN tags allow.
#[inline(always)]
pub fn error<P: Packet>(packet: &mut P, version: Version, l3: usize, what: Error) -> Option<()> {
    match version {
        Version::V4 => error_v4(packet, l3, words_v4(what)),
        Version::V6 => error_v6(packet, l3, words_v6(what)),
    }
}

/// The header of the message, without its checksum.
#[inline(always)]
fn words_v4(what: Error) -> [u32; 2] {
    match what {
        Error::TooBig { mtu } => {
            let mtu = if mtu > 0xffff { 0xffff } else { mtu };
            let kind = icmp::v4::UNREACHABLE;
            let code = icmp::v4::FRAGMENTATION_NEEDED;
            [word([kind, code, 0, 0]), mtu.to_be()]
        }
        Error::Expired => [word([icmp::v4::TIME_EXCEEDED, 0, 0, 0]), 0],
    }
}

/// The header of the message, without its checksum.
#[inline(always)]
fn words_v6(what: Error) -> [u32; 2] {
    match what {
        Error::TooBig { mtu } => [word([icmp::v6::TOO_BIG, 0, 0, 0]), mtu.to_be()],
        Error::Expired => [word([icmp::v6::TIME_EXCEEDED, 0, 0, 0]), 0],
    }
}

#[inline(never)]
fn error_v4<P: Packet>(packet: &mut P, l3: usize, words: [u32; 2]) -> Option<()> {
    let len = answerable_v4(packet, l3)?;
    let at = in_front(packet, l3, ipv4::LEN)?;
    let (quote, sum) = quote(packet, at, len)?;
    let words = finished(words, sum);
    let header = {
        let ip = packet.header::<{ ipv4::LEN }>(at)?;
        // From the address the packet was sent to: a firewall on the way back knows the flow by it, and the host's own
        // address need not be reachable from there.
        let (source, destination) = (ipv4::destination(&ip), ipv4::source(&ip));
        header_v4(ICMP, icmp::LEN + quote, source, destination)
    };
    packet.truncate(at + quote)?;
    packet.store(l3, &header)?;
    packet.store(l3 + ipv4::LEN, &words)
}

#[inline(never)]
fn error_v6<P: Packet>(packet: &mut P, l3: usize, words: [u32; 2]) -> Option<()> {
    let len = answerable_v6(packet, l3)?;
    let at = in_front(packet, l3, ipv6::LEN)?;
    let (quote, sum) = quote(packet, at, len)?;
    let len = icmp::LEN + quote;
    let header = header_v6(ICMPV6, len, &packet.header::<{ ipv6::LEN }>(at)?);
    let words = finished(words, sum + pseudo(ICMPV6, len, &header, ADDRESSES_V6));
    packet.truncate(at + quote)?;
    packet.store(l3, &header)?;
    packet.store(l3 + ipv6::LEN, &words)
}

/// The length of the packet, if an error may be about it (RFC 1122 section 3.2.2).
#[inline(always)]
fn answerable_v4<P: Packet>(packet: &P, l3: usize) -> Option<usize> {
    let ip = packet.header::<{ ipv4::LEN }>(l3)?;
    let [source, ..] = ipv4::source(&ip).to_ne_bytes();
    let [destination, ..] = ipv4::destination(&ip).to_ne_bytes();
    // 0/8 and 127/8 name no other host, 224/4 is multicast, and above it all is reserved or broadcast (RFC 6890).
    if source == 0 || source == 127 || source >= 224 || destination >= 224 {
        return None;
    }
    let len = ipv4::total_len(&ip);
    answerable(packet, Version::V4, l3, len)
}

/// The length of the packet, if an error may be about it (RFC 4443 section 2.4 (e)).
#[inline(always)]
fn answerable_v6<P: Packet>(packet: &P, l3: usize) -> Option<usize> {
    const LOOPBACK: u64 = 1;
    const MULTICAST: u8 = 0xff;
    let ip = packet.header::<{ ipv6::LEN }>(l3)?;
    let [high, low] = ipv6::source(&ip);
    if (high == 0 && u64::from_be(low) <= LOOPBACK)
        || high.to_ne_bytes()[0] == MULTICAST
        || ip.u8::<24>() == MULTICAST
    {
        return None;
    }
    let len = ipv6::LEN + ipv6::payload_len(&ip);
    answerable(packet, Version::V6, l3, len)
}

/// `len`, the length of the packet, unless it was sent to a group of stations, is a later fragment or is an ICMP error
/// itself.
#[inline(always)]
fn answerable<P: Packet>(packet: &P, version: Version, l3: usize, len: usize) -> Option<usize> {
    if ethernet::is_group(&packet.header::<{ ethernet::LEN }>(0)?) || l3 + len > packet.len() {
        return None;
    }
    let Ok(Some(Inside {
        protocol,
        transport,
    })) = inside(packet, version, l3, l3 + len)
    else {
        return None;
    };
    let is_error = match (version, protocol) {
        (Version::V4, ICMP) => icmp::v4::is_error(packet.header::<1>(transport)?.u8::<0>()),
        (Version::V6, ICMPV6) => icmp::v6::is_error(packet.header::<1>(transport)?.u8::<0>()),
        _ => false,
    };
    (!is_error).then_some(len)
}

/// Makes room between the front and the IP packet at `l3` for an IP header of `ip` bytes and an ICMP header, and turns
/// the front. The packet then begins at the offset that is returned.
#[inline(always)]
fn in_front<P: Packet>(packet: &mut P, l3: usize, ip: usize) -> Option<usize> {
    if !matches!(l3, 14 | 18 | 22) {
        return None;
    }
    let (addresses, tags, ether_type) = {
        let frame = packet.header::<{ ethernet::LEN }>(0)?;
        // There even where the frame has no tags: an IP header is longer than two.
        let tags = packet.header::<8>(12)?;
        let ether_type = packet.header::<2>(l3 - 2)?.u16::<0>();
        (
            turned(&frame),
            [tags.u32::<0>(), tags.u32::<4>()],
            ether_type,
        )
    };
    let at = l3 + ip + icmp::LEN;
    packet.refront(l3, at)?;
    packet.store(0, &addresses)?;
    // Where the frame has fewer, what is stored here in vain is overwritten by the headers that follow.
    packet.store(12, &tags)?;
    packet.store_u16(l3 - 2, ether_type)?;
    Some(at)
}

/// How much is quoted of the packet at `at`, which is `len` bytes long, and the sum of that.
#[inline(always)]
fn quote<P: Packet>(packet: &P, at: usize, len: usize) -> Option<(usize, u64)> {
    // Whole words: an odd end is left out. The quoted header goes on telling the packet's length.
    let quote = if len > QUOTE { QUOTE } else { len & !3 };
    let mut sum = 0;
    let mut done = 0;
    while done < QUOTE {
        if done >= quote {
            break;
        }
        sum += u64::from(packet.header::<4>(at + done)?.u32::<0>());
        done += 4;
    }
    Some((quote, sum))
}

/// The header `words` with the checksum of a message that adds up to `sum` behind it.
#[inline(always)]
fn finished(words: [u32; 2], sum: u64) -> [u32; 2] {
    let [kind, code, ..] = words[0].to_ne_bytes();
    let [a, b] = checksum::finish(checksum::add(sum, &words)).to_ne_bytes();
    [word([kind, code, a, b]), words[1]]
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
