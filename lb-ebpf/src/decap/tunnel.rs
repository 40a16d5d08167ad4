//! What stands between the outer IP header and the inner packet.

use lb_common::{UDP, decap::Reason};

use super::outer::Outer;
use crate::{
    header::{ipv4, ipv6, udp},
    packet::{Header as _, Packet},
    parse::Version,
};

/// Length of GUE's header without optional fields (draft-ietf-intarea-gue-09 section 3.2).
const GUE_LEN: usize = 4;

/// Kind of a tunnel.
#[derive(Clone, Copy)]
pub enum Tunnel {
    /// The inner packet follows the outer IP header.
    Ip(Version),
    /// A UDP header of our port comes between.
    Gue,
}

/// An inner packet, by what comes before it.
#[derive(Clone, Copy)]
pub struct Content {
    /// IP version it must be of.
    pub version: Version,
    /// Where it begins in the frame.
    pub at: usize,
    /// Where it must have ended in the frame.
    pub end: usize,
    /// What it is counted under.
    pub reason: Reason,
}

/// What kind of a tunnel the packet comes by, `None` if by none. `port` is GUE's, the way it stands in memory.
#[inline(always)]
pub fn of<P: Packet>(packet: &P, outer: &Outer, port: u16) -> Option<Tunnel> {
    if outer.protocol == UDP {
        let header = packet.header::<{ udp::LEN }>(outer.l4)?;
        return (header.u16::<2>() == port).then_some(Tunnel::Gue);
    }
    Some(Tunnel::Ip(version(outer.protocol)?))
}

/// Where the inner packet of an outer packet that ends at `end` lies. Passed where the kernel must see.
#[inline(always)]
pub fn content<P: Packet>(
    packet: &P,
    outer: &Outer,
    tunnel: Tunnel,
    end: usize,
) -> Result<Content, Reason> {
    match tunnel {
        Tunnel::Ip(version) => {
            let over_v4 = outer.l4 == outer.l3 + ipv4::LEN;
            Ok(Content {
                version,
                at: outer.l4,
                end,
                reason: match (version, over_v4) {
                    (Version::V4, true) => Reason::Ipv4InIpv4,
                    (Version::V6, true) => Reason::Ipv6InIpv4,
                    (Version::V4, false) => Reason::Ipv4InIpv6,
                    (Version::V6, false) => Reason::Ipv6InIpv6,
                },
            })
        }
        Tunnel::Gue => gue(packet, outer.l4, end),
    }
}

/// The UDP checksum is not verified: ours is 0, and the inner packet has checksums of its own (RFC 6935 section 5).
#[inline(always)]
fn gue<P: Packet>(packet: &P, l4: usize, end: usize) -> Result<Content, Reason> {
    let header = packet
        .header::<{ udp::LEN + GUE_LEN }>(l4)
        .ok_or(Reason::Malformed)?;
    let length = usize::from(u16::from_be(header.u16::<4>()));
    if length < udp::LEN + GUE_LEN || l4 + length > end {
        return Err(Reason::Malformed);
    }
    let end = l4 + length;
    let first = header.u8::<{ udp::LEN }>();
    match first >> 6 {
        // A data message without optional fields, whose length in words the last five bits say.
        0 => {
            let is_data = first & 0x20 == 0 && header.u16::<{ udp::LEN + 2 }>() == 0;
            let version = version(header.u8::<{ udp::LEN + 1 }>()).filter(|_| is_data);
            Ok(Content {
                version: version.ok_or(Reason::Passed)?,
                // Words behind the header that no flag tells of are the sender's private data.
                at: l4 + udp::LEN + GUE_LEN + usize::from(first & 0x1f) * 4,
                end,
                reason: Reason::GueHeader,
            })
        }
        // The two bits are the first of an IP version (section 4).
        1 => Ok(Content {
            version: match first >> 4 {
                4 => Version::V4,
                6 => Version::V6,
                _ => return Err(Reason::Malformed),
            },
            at: l4 + udp::LEN,
            end,
            reason: Reason::Gue,
        }),
        _ => Err(Reason::Passed),
    }
}

/// IP version of what a header with this protocol number carries.
#[inline(always)]
const fn version(protocol: u8) -> Option<Version> {
    match protocol {
        ipv4::PROTOCOL => Some(Version::V4),
        ipv6::PROTOCOL => Some(Version::V6),
        _ => None,
    }
}
