//! Answers a TCP segment with a reset (RFC 9293 section 3.10.7.1).
//!
//! Each version is a function of its own because its words would not fit into the stack frame of the road.

use lb_common::TCP;

use super::{ADDRESSES_V4, ADDRESSES_V6, header_v4, header_v6, pseudo, turn, word};
use crate::{
    checksum,
    header::{ipv4, ipv6, tcp},
    packet::{Header, Packet},
    parse::Version,
};

/// Turns the segment at `l4` of the IP packet at `l3` into a reset for its sender, without options and extension
/// headers.
///
/// `None` where the frame is not what `l3` and `l4` say. Whether the segment may be answered (a reset may not) is for
/// the caller to know.
#[inline(always)]
pub fn reset<P: Packet>(packet: &mut P, version: Version, l3: usize, l4: usize) -> Option<()> {
    match version {
        Version::V4 => reset_v4(packet, l3, l4),
        Version::V6 => reset_v6(packet, l3, l4),
    }
}

#[inline(never)]
fn reset_v4<P: Packet>(packet: &mut P, l3: usize, l4: usize) -> Option<()> {
    let (header, reset) = compose_v4(packet, l3, l4)?;
    packet.truncate(l3 + ipv4::LEN + tcp::LEN)?;
    turn(packet)?;
    packet.store(l3, &header)?;
    packet.store(l3 + ipv4::LEN, &reset)
}

#[inline(never)]
fn reset_v6<P: Packet>(packet: &mut P, l3: usize, l4: usize) -> Option<()> {
    let (header, reset) = compose_v6(packet, l3, l4)?;
    packet.truncate(l3 + ipv6::LEN + tcp::LEN)?;
    turn(packet)?;
    packet.store(l3, &header)?;
    packet.store(l3 + ipv6::LEN, &reset)
}

#[inline(always)]
fn compose_v4<P: Packet>(packet: &P, l3: usize, l4: usize) -> Option<([u32; 5], [u32; 5])> {
    let ip = packet.header::<{ ipv4::LEN }>(l3)?;
    let segment = packet.header::<{ tcp::LEN }>(l4)?;
    let (client, vip) = (ipv4::source(&ip), ipv4::destination(&ip));
    let header = header_v4(TCP, tcp::LEN, vip, client);
    let payload = (l3 + ipv4::total_len(&ip)).wrapping_sub(l4 + tcp::header_len(&segment));
    let sum = pseudo(TCP, tcp::LEN, &header, ADDRESSES_V4);
    Some((header, answer(&segment, payload, sum)))
}

#[inline(always)]
fn compose_v6<P: Packet>(packet: &P, l3: usize, l4: usize) -> Option<([u32; 10], [u32; 5])> {
    let ip = packet.header::<{ ipv6::LEN }>(l3)?;
    let segment = packet.header::<{ tcp::LEN }>(l4)?;
    let header = header_v6(TCP, tcp::LEN, &ip);
    let end = l3 + ipv6::LEN + ipv6::payload_len(&ip);
    let payload = end.wrapping_sub(l4 + tcp::header_len(&segment));
    let sum = pseudo(TCP, tcp::LEN, &header, ADDRESSES_V6);
    Some((header, answer(&segment, payload, sum)))
}

/// The reset for `segment`, which carried `payload` bytes. `pseudo` is the sum of the reset's pseudo-header.
#[inline(always)]
fn answer(segment: &impl Header<{ tcp::LEN }>, payload: usize, pseudo: u64) -> [u32; 5] {
    let flags = tcp::flags(segment);
    let ports = tcp::ports(segment).rotate_left(16);
    // "If the incoming segment has an ACK field, the reset takes its sequence number from the ACK field of the
    // segment; otherwise, the reset has sequence number zero and the ACK field is set to the sum of the sequence
    // number and segment length of the incoming segment." (RFC 9293 section 3.5.2)
    let (sequence, acknowledgement, answer) = if flags & tcp::ACK != 0 {
        (tcp::acknowledgement(segment), 0, tcp::RST)
    } else {
        let controls = u32::from(flags & tcp::SYN != 0) + u32::from(flags & tcp::FIN != 0);
        let next = u32::from_be(tcp::sequence(segment))
            .wrapping_add(payload as u32)
            .wrapping_add(controls);
        (0, next.to_be(), tcp::RST | tcp::ACK)
    };
    let offset = ((tcp::LEN / 4) as u8) << 4;
    let mut reset = [
        ports,
        sequence,
        acknowledgement,
        word([offset, answer, 0, 0]),
        0,
    ];
    let [a, b] = checksum::finish(checksum::add(pseudo, &reset)).to_ne_bytes();
    reset[4] = word([a, b, 0, 0]);
    reset
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use etherparse::TcpHeader;
    use std::net::{IpAddr, SocketAddr};

    use super::*;
    use crate::fixtures::{answer, flows, frame, ip, tcp as segment, version};

    /// NOPs, or hop-by-hop and destination options.
    fn extra(address: IpAddr) -> &'static [u8] {
        match address {
            IpAddr::V4(_) => &[1; 8],
            IpAddr::V6(_) => &[0, 60],
        }
    }

    /// The answer to a segment with `extra` in front of it and `tags` tags.
    fn answered(
        (client, vip): (SocketAddr, SocketAddr),
        tags: usize,
        extra: &[u8],
        change: impl FnOnce(&mut TcpHeader),
        payload: &[u8],
    ) -> TcpHeader {
        let segment = segment(client, vip, change, payload);
        let bytes = ip(client.ip(), vip.ip(), TCP, extra, &segment);
        let (mut packet, l3) = frame(tags, &bytes);
        let l4 = packet.bytes.len() - segment.len();
        // Ethernet's padding is no payload.
        packet.bytes.extend([0; 10]);
        reset(&mut packet, version(vip.ip()), l3, l4).unwrap();
        let read = answer(tags, &packet);
        assert_eq!((read.source, read.destination), (vip.ip(), client.ip()));
        assert_eq!((read.hops, read.protocol), (64, TCP));
        assert!(read.extra.is_empty());
        let (header, rest) = TcpHeader::from_slice(&read.payload).unwrap();
        assert!(rest.is_empty() && header.rst && !header.syn && !header.fin);
        assert_eq!(
            (header.source_port, header.destination_port),
            (vip.port(), client.port())
        );
        header
    }

    #[test]
    fn a_segment_without_acknowledgement_is_acknowledged() {
        for flow in flows() {
            for tags in 0..3 {
                for extra in [&[], extra(flow.0.ip())] {
                    let syn = answered(flow, tags, extra, |tcp| tcp.syn = true, b"");
                    assert!(syn.ack && syn.sequence_number == 0);
                    assert_eq!(syn.acknowledgment_number, 0x0102_0305);
                    let end = answered(flow, tags, extra, |tcp| tcp.fin = true, b"bytes");
                    assert_eq!(end.acknowledgment_number, 0x0102_0304 + 5 + 1);
                }
            }
        }
    }

    #[test]
    fn a_segment_with_acknowledgement_gives_the_sequence_number() {
        for flow in flows() {
            let change = |tcp: &mut TcpHeader| {
                (tcp.ack, tcp.acknowledgment_number) = (true, 0xfedc_ba98);
                tcp.set_options_raw(&[1, 1, 1, 1]).unwrap();
            };
            let reset = answered(flow, 1, extra(flow.0.ip()), change, b"bytes");
            assert!(!reset.ack);
            assert_eq!(reset.sequence_number, 0xfedc_ba98);
            assert_eq!(reset.acknowledgment_number, 0);
        }
    }

    #[test]
    fn a_frame_that_ends_within_its_headers_is_not_answered() {
        for (client, vip) in flows() {
            let segment = segment(client, vip, |_| {}, b"");
            let (mut packet, l3) = frame(0, &ip(client.ip(), vip.ip(), TCP, &[], &segment));
            let l4 = packet.bytes.len() - segment.len();
            packet.bytes.pop();
            let before = packet.clone();
            assert_eq!(reset(&mut packet, version(vip.ip()), l3, l4), None);
            assert_eq!(packet, before);
        }
    }
}
