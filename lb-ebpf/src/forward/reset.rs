//! Answers a TCP segment with a reset, made out of the segment's own frame (RFC 9293 section 3.10.7.1).
//!
//! Rare, and functions of their own because their words would not fit into the stack frame of the road.

use lb_common::TCP;

use crate::{
    checksum,
    header::{ethernet, ipv4, ipv6, tcp},
    packet::{Header, Packet},
    parse::Version,
    verdict::Verdict,
};

/// Time to live and hop limit of the answer: what hosts use (RFC 1700).
const HOPS: u8 = 64;

/// Turns the segment into a reset for its sender, which leaves by the interface the segment came by.
#[inline(always)]
pub fn answer<P: Packet>(packet: &mut P, version: Version) -> Verdict {
    let answered = match version {
        Version::V4 => answer_v4(packet),
        Version::V6 => answer_v6(packet),
    };
    match answered {
        Some(()) => Verdict::Tx,
        None => Verdict::Drop,
    }
}

#[inline(never)]
fn answer_v4<P: Packet>(packet: &mut P) -> Option<()> {
    let (frame, header, reset) = compose_v4(packet)?;
    packet.truncate(V4_SEGMENT + tcp::LEN)?;
    packet.store(0, &frame)?;
    packet.store(ethernet::LEN, &header)?;
    packet.store(V4_SEGMENT, &reset)
}

#[inline(never)]
fn answer_v6<P: Packet>(packet: &mut P) -> Option<()> {
    let (frame, header, reset) = compose_v6(packet)?;
    packet.truncate(V6_SEGMENT + tcp::LEN)?;
    packet.store(0, &frame)?;
    packet.store(ethernet::LEN, &header)?;
    packet.store(V6_SEGMENT, &reset)
}

const V4_SEGMENT: usize = ethernet::LEN + ipv4::LEN;
const V6_SEGMENT: usize = ethernet::LEN + ipv6::LEN;

/// The words of the answer's Ethernet addresses, IP header and TCP header.
type Answer<const IP: usize> = ([u32; 3], [u32; IP], [u32; 5]);

#[inline(always)]
fn compose_v4<P: Packet>(packet: &P) -> Option<Answer<5>> {
    let frame = turned(&packet.header::<{ ethernet::LEN }>(0)?);
    let ip = packet.header::<{ ipv4::LEN }>(ethernet::LEN)?;
    let segment = packet.header::<{ tcp::LEN }>(V4_SEGMENT)?;
    let (client, vip) = (ipv4::source(&ip), ipv4::destination(&ip));
    let payload = ipv4::total_len(&ip).wrapping_sub(ipv4::LEN + tcp::header_len(&segment));
    let length = (ipv4::LEN + tcp::LEN) as u8;
    let dont_fragment = 0x40;
    let mut header = [
        word([0x45, 0, 0, length]),
        word([0, 0, dont_fragment, 0]),
        word([HOPS, TCP, 0, 0]),
        vip,
        client,
    ];
    let [a, b] = checksum::finish(checksum::add(0, &header)).to_ne_bytes();
    header[2] = word([HOPS, TCP, a, b]);
    let reset = reset(&segment, payload, checksum::add(0, &[client, vip]));
    Some((frame, header, reset))
}

#[inline(always)]
fn compose_v6<P: Packet>(packet: &P) -> Option<Answer<10>> {
    let frame = turned(&packet.header::<{ ethernet::LEN }>(0)?);
    let ip = packet.header::<{ ipv6::LEN }>(ethernet::LEN)?;
    let segment = packet.header::<{ tcp::LEN }>(V6_SEGMENT)?;
    let payload = ipv6::payload_len(&ip).wrapping_sub(tcp::header_len(&segment));
    let header = [
        word([0x60, 0, 0, 0]),
        word([0, tcp::LEN as u8, TCP, HOPS]),
        ip.u32::<24>(),
        ip.u32::<28>(),
        ip.u32::<32>(),
        ip.u32::<36>(),
        ip.u32::<8>(),
        ip.u32::<12>(),
        ip.u32::<16>(),
        ip.u32::<20>(),
    ];
    let addresses = checksum::add(0, &header) - checksum::add(0, &[header[0], header[1]]);
    let reset = reset(&segment, payload, addresses);
    Some((frame, header, reset))
}

/// The reset for `segment`, which carried `payload` bytes. `addresses` is the sum of both addresses.
#[inline(always)]
fn reset(segment: &impl Header<{ tcp::LEN }>, payload: usize, addresses: u64) -> [u32; 5] {
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
    let pseudo = word([0, TCP, 0, tcp::LEN as u8]);
    let sum = checksum::add(addresses + u64::from(pseudo), &reset);
    let [a, b] = checksum::finish(sum).to_ne_bytes();
    reset[4] = word([a, b, 0, 0]);
    reset
}

/// The first 12 bytes of an answer: back to the sender.
#[inline(always)]
fn turned(frame: &impl Header<{ ethernet::LEN }>) -> [u32; 3] {
    [
        pair(frame.u16::<6>(), frame.u16::<8>()),
        pair(frame.u16::<10>(), frame.u16::<0>()),
        pair(frame.u16::<2>(), frame.u16::<4>()),
    ]
}

#[inline(always)]
fn pair(first: u16, second: u16) -> u32 {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    word([a, b, c, d])
}

#[inline(always)]
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}
