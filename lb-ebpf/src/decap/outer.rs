//! The outer IP header.

use lb_common::{Address, address::mapped};

use crate::{
    checksum,
    header::{ipv4, ipv6},
    packet::{Header as _, Packet},
    parse::{self, Version},
};

/// An outer IP header without options or extension headers, of a packet that is no fragment.
#[derive(Clone, Copy)]
pub struct Outer {
    /// IP version.
    pub version: Version,
    /// Where it begins in the frame.
    pub l3: usize,
    /// Where what it carries begins in the frame.
    pub l4: usize,
    /// Length of the IP packet in bytes, by its header.
    len: usize,
    /// Protocol of what it carries.
    pub protocol: u8,
    /// Source address.
    pub source: Address,
    /// Explicit congestion notification (RFC 3168): two bits.
    pub congestion: u8,
}

/// Reads the header, or `None` where the kernel must.
#[inline(always)]
pub fn read<P: Packet>(packet: &P) -> Option<Outer> {
    let (l3, version) = parse::front(packet).ok()?;
    match version {
        Version::V4 => {
            let ip = packet.header::<{ ipv4::LEN }>(l3)?;
            let plain = ipv4::version(&ip) == 4 && ipv4::header_len(&ip) == ipv4::LEN;
            (plain && !ipv4::is_fragment(&ip)).then(|| Outer {
                version,
                l3,
                l4: l3 + ipv4::LEN,
                len: ipv4::total_len(&ip),
                protocol: ipv4::protocol(&ip),
                source: mapped(ipv4::source(&ip)),
                congestion: ipv4::traffic_class(&ip) & 3,
            })
        }
        Version::V6 => {
            let ip = packet.header::<{ ipv6::LEN }>(l3)?;
            (ipv6::version(&ip) == 6).then(|| Outer {
                version,
                l3,
                l4: l3 + ipv6::LEN,
                len: ipv6::LEN + ipv6::payload_len(&ip),
                protocol: ipv6::next_header(&ip),
                source: ipv6::source(&ip),
                congestion: ipv6::traffic_class(&ip) & 3,
            })
        }
    }
}

/// Where the outer packet ends in the frame, or `None` where header and frame contradict each other.
///
/// The kernel will not see the outer header, so its checksum is verified here: a packet with a wrong one may be meant for
/// somebody else (RFC 1122 section 3.2.1.2 has it discarded).
#[inline(always)]
pub fn end<P: Packet>(packet: &P, outer: &Outer) -> Option<usize> {
    if outer.version == Version::V4 {
        let ip = packet.header::<{ ipv4::LEN }>(outer.l3)?;
        let words = [
            ip.u32::<0>(),
            ip.u32::<4>(),
            ip.u32::<8>(),
            ip.u32::<12>(),
            ip.u32::<16>(),
        ];
        if checksum::finish(checksum::add(0, &words)) != 0 {
            return None;
        }
    }
    let end = outer.l3 + outer.len;
    (outer.l4 <= end && end <= packet.len()).then_some(end)
}
