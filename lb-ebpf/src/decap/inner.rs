//! The inner packet: its header must be one, and learns of congestion on the tunnel's way.

use lb_common::decap::Reason;

use super::tunnel::Content;
use crate::{
    checksum,
    header::{ipv4, ipv6},
    packet::{Header as _, Packet},
    parse::Version,
};

/// Not ECN-capable (RFC 3168 section 5).
const NOT_CAPABLE: u8 = 0b00;
/// ECN-capable, ECT(1).
const CAPABLE_1: u8 = 0b01;
/// ECN-capable, ECT(0).
const CAPABLE_0: u8 = 0b10;
/// Congestion experienced.
const EXPERIENCED: u8 = 0b11;

/// Where the checksum lies in an IPv4 header.
const CHECKSUM: usize = 10;

/// The first two bytes of an inner header: version and traffic class.
#[derive(Clone, Copy)]
pub struct Inner {
    first: [u8; 2],
    /// IPv4: the header's checksum, the way it stands in memory.
    checksum: u16,
}

/// Reads the inner header, or `None` where it is none or the packet would not have ended where it must.
#[inline(always)]
pub fn read<P: Packet>(packet: &P, content: &Content) -> Option<Inner> {
    let Content {
        version, at, end, ..
    } = *content;
    match version {
        Version::V4 => {
            let ip = packet.header::<{ ipv4::LEN }>(at)?;
            let (header_len, len) = (ipv4::header_len(&ip), ipv4::total_len(&ip));
            let good = ipv4::version(&ip) == 4 && header_len >= ipv4::LEN;
            (good && header_len <= len && at + len <= end).then(|| Inner {
                first: ip.u16::<0>().to_ne_bytes(),
                checksum: ipv4::checksum(&ip),
            })
        }
        Version::V6 => {
            let ip = packet.header::<{ ipv6::LEN }>(at)?;
            let good = ipv6::version(&ip) == 6;
            (good && at + ipv6::LEN + ipv6::payload_len(&ip) <= end).then(|| Inner {
                first: ip.u16::<0>().to_ne_bytes(),
                checksum: 0,
            })
        }
    }
}

/// Combines the ECN field with the `outer` one.
#[inline(always)]
pub fn mark<P: Packet>(
    packet: &mut P,
    content: &Content,
    inner: &Inner,
    outer: u8,
) -> Result<(), Reason> {
    let [version, class] = inner.first;
    let shift = match content.version {
        Version::V4 => 0,
        // Of the traffic class, the second byte has the lower half, in its upper half.
        Version::V6 => 4,
    };
    let before = class >> shift & 0b11;
    let after = combined(before, outer).ok_or(Reason::Congested)?;
    if before == after {
        return Ok(());
    }
    let to = [version, class & !(0b11 << shift) | after << shift];
    let (from, to) = (u16::from_ne_bytes(inner.first), u16::from_ne_bytes(to));
    packet.store_u16(content.at, to).ok_or(Reason::Malformed)?;
    if content.version == Version::V4 {
        let removed = checksum::remove(0, &[u32::from(from)]);
        let change = checksum::add(removed, &[u32::from(to)]);
        let checksum = checksum::update(inner.checksum, change);
        let at = content.at + CHECKSUM;
        packet.store_u16(at, checksum).ok_or(Reason::Malformed)?;
    }
    Ok(())
}

/// The ECN field a packet leaves a tunnel with, `None` if it must be dropped (RFC 6040 section 4.2, figure 4).
#[inline(always)]
pub const fn combined(inner: u8, outer: u8) -> Option<u8> {
    match (inner, outer) {
        (NOT_CAPABLE, EXPERIENCED) => None,
        (NOT_CAPABLE, _) => Some(NOT_CAPABLE),
        (_, EXPERIENCED) => Some(EXPERIENCED),
        (CAPABLE_0, CAPABLE_1) => Some(CAPABLE_1),
        _ => Some(inner),
    }
}
