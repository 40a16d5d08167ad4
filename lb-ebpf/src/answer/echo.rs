//! Answers an echo request (RFC 792, RFC 4443 section 4).

use super::{HOPS, turn, word};
use crate::{
    checksum,
    header::{icmp, ipv4, ipv6},
    packet::{Header, Packet},
    parse::Version,
};

/// Turns the echo request at `l4` of the IP packet at `l3`, which must be a whole one, into its reply in place: IP
/// options and extension headers stay as they came.
///
/// `None` where the message is no echo request or the frame is not what `l3` and `l4` say.
#[inline(always)]
pub fn echo<P: Packet>(packet: &mut P, version: Version, l3: usize, l4: usize) -> Option<()> {
    match version {
        Version::V4 => {
            let message = reply(packet, l4, icmp::v4::ECHO, icmp::v4::ECHO_REPLY)?;
            packet.store(l4, &[message])?;
            let header = turned_v4(packet, l3)?;
            packet.store(l3 + 8, &header)?;
        }
        Version::V6 => {
            let message = reply(packet, l4, icmp::v6::ECHO, icmp::v6::ECHO_REPLY)?;
            packet.store(l4, &[message])?;
            let header = turned_v6(packet, l3)?;
            packet.store(l3 + 4, &header)?;
        }
    }
    turn(packet)
}

/// The first word of the message of type `reply` that answers the one of type `request` at `l4`. The addresses of
/// ICMPv6's pseudo-header only change places, which its sum does not show.
#[inline(always)]
fn reply<P: Packet>(packet: &P, l4: usize, request: u8, reply: u8) -> Option<u32> {
    let message = packet.header::<{ icmp::LEN }>(l4)?;
    let old = icmp::kind_and_code(&message);
    if old != u16::from_ne_bytes([request, 0]) {
        return None;
    }
    let sum = replaced(
        icmp::checksum(&message),
        old,
        u16::from_ne_bytes([reply, 0]),
    );
    // An ICMP echo reply may be zero throughout. Its checksum is then 0xffff, which RFC 1624's sum cannot tell from 0;
    // a receiver, who adds up, takes 0xffff for both.
    let sum = if sum == 0 { 0xffff } else { sum };
    let [a, b] = sum.to_ne_bytes();
    Some(word([reply, 0, a, b]))
}

/// The words of the IPv4 header at `l3` from its time to live on, with the addresses exchanged.
#[inline(always)]
fn turned_v4<P: Packet>(packet: &P, l3: usize) -> Option<[u32; 3]> {
    let ip = packet.header::<{ ipv4::LEN }>(l3)?;
    let protocol = ipv4::protocol(&ip);
    let new = u16::from_ne_bytes([HOPS, protocol]);
    let [a, b] = replaced(ip.u16::<10>(), ip.u16::<8>(), new).to_ne_bytes();
    Some([
        word([HOPS, protocol, a, b]),
        ipv4::destination(&ip),
        ipv4::source(&ip),
    ])
}

/// The words of the IPv6 header at `l3` from its length on, with the addresses exchanged.
#[inline(always)]
fn turned_v6<P: Packet>(packet: &P, l3: usize) -> Option<[u32; 9]> {
    let ip = packet.header::<{ ipv6::LEN }>(l3)?;
    let [a, b] = ip.u16::<4>().to_ne_bytes();
    Some([
        word([a, b, ipv6::next_header(&ip), HOPS]),
        ip.u32::<24>(),
        ip.u32::<28>(),
        ip.u32::<32>(),
        ip.u32::<36>(),
        ip.u32::<8>(),
        ip.u32::<12>(),
        ip.u32::<16>(),
        ip.u32::<20>(),
    ])
}

/// `checksum` once the word `old` of what it covers is `new` (RFC 1624, equation 3).
#[inline(always)]
fn replaced(checksum: u16, old: u16, new: u16) -> u16 {
    checksum::finish(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::fixtures::{answer, flows, frame, icmp as message, icmp_of, ip, version};

    /// Types of request and reply.
    fn types(address: IpAddr) -> (u8, u8) {
        match address {
            IpAddr::V4(_) => (8, 0),
            IpAddr::V6(_) => (128, 129),
        }
    }

    /// NOPs, or hop-by-hop options.
    fn extra(address: IpAddr) -> &'static [u8] {
        match address {
            IpAddr::V4(_) => &[1; 12],
            IpAddr::V6(_) => &[0],
        }
    }

    #[test]
    fn the_reply_says_what_the_request_said() {
        for (client, vip) in flows().map(|(client, vip)| (client.ip(), vip.ip())) {
            let (request, reply) = types(client);
            for (tags, extra) in [(0, &[][..]), (1, &[]), (2, extra(client))] {
                let said = message(client, vip, [request, 0], [7, 8, 0, 1], b"odd");
                let bytes = ip(client, vip, icmp_of(client), extra, &said);
                let (mut packet, l3) = frame(tags, &bytes);
                let l4 = packet.bytes.len() - said.len();
                echo(&mut packet, version(vip), l3, l4).unwrap();
                let read = answer(tags, &packet);
                assert_eq!((read.source, read.destination), (vip, client));
                assert_eq!((read.hops, &read.extra[..]), (64, extra));
                assert_eq!(
                    read.payload,
                    message(vip, client, [reply, 0], [7, 8, 0, 1], b"odd")
                );
            }
        }
    }

    #[test]
    fn a_reply_that_is_zero_throughout_has_a_checksum_that_holds() {
        let (client, vip) = flows().map(|(client, vip)| (client.ip(), vip.ip()))[0];
        let said = message(client, vip, [8, 0], [0; 4], &[0; 16]);
        let (mut packet, l3) = frame(0, &ip(client, vip, icmp_of(client), &[], &said));
        echo(&mut packet, Version::V4, l3, l3 + ipv4::LEN).unwrap();
        assert_eq!(answer(0, &packet).payload[2..4], [0xff, 0xff]);
    }

    #[test]
    fn nothing_else_is_answered() {
        for (client, vip) in flows().map(|(client, vip)| (client.ip(), vip.ip())) {
            let (request, reply) = types(client);
            for start in [[reply, 0], [request, 1], [3, 0]] {
                let said = message(client, vip, start, [7, 8, 0, 1], b"data");
                let bytes = ip(client, vip, icmp_of(client), &[], &said);
                let (mut packet, l3) = frame(0, &bytes);
                let l4 = packet.bytes.len() - said.len();
                assert_eq!(echo(&mut packet, version(vip), l3, l4), None);
            }
        }
    }
}
