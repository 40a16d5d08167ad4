//! What an ICMP message is about: errors quote the packet they are about (RFC 792, RFC 4443 section 3).

use lb_common::{Address, Reason, TCP, UDP, address::mapped};

use super::Version;
use crate::{
    header::{icmp, ipv4, ipv6},
    packet::{Header, Packet},
};

/// What an ICMP message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// An echo request.
    Echo,
    /// An error about a packet of TCP or UDP.
    Error(Subject),
    /// Anything else, which is for the host.
    Other,
}

/// The packet that an error is about, as far as it is quoted. It was sent by the one the error is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What became of it.
    pub kind: Kind,
    /// Where it is quoted.
    pub quote: Quote,
    /// Its source.
    pub source: Address,
    /// Its destination.
    pub destination: Address,
    /// Its source port, then its destination port, the way they stand in memory.
    pub ports: u32,
}

/// Where the quoted packet stands in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its IP version, which is that of the error.
    pub version: Version,
    /// Where its IP header begins in the frame.
    pub inner: usize,
    /// Where its transport header begins in the frame.
    pub transport: usize,
    /// TCP or UDP.
    pub protocol: u8,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its destination could not be reached.
    Unreachable,
    /// It was too long for a hop.
    TooBig,
    /// It came too far, or its fragments too late.
    Expired,
    /// Its header was not understood.
    ParameterProblem,
}

/// Reads the ICMP message at `l4`, or says why it is to be dropped. `len` is what the IP header says follows there.
///
/// The checksum is not looked at: whoever changes the message keeps a wrong one wrong.
#[inline(always)]
pub fn parse<P: Packet>(
    packet: &P,
    version: Version,
    l4: usize,
    len: usize,
) -> Result<About, Reason> {
    if len < icmp::LEN {
        return Err(Reason::Truncated);
    }
    let header = packet
        .header::<{ icmp::LEN }>(l4)
        .ok_or(Reason::Truncated)?;
    let (kind, code) = (icmp::kind(&header), icmp::code(&header));
    let kind = match version {
        Version::V4 => match (kind, code) {
            (icmp::v4::ECHO, 0) => return Ok(About::Echo),
            (icmp::v4::UNREACHABLE, icmp::v4::FRAGMENTATION_NEEDED) => Kind::TooBig,
            (icmp::v4::UNREACHABLE, _) => Kind::Unreachable,
            (icmp::v4::TIME_EXCEEDED, _) => Kind::Expired,
            (icmp::v4::PARAMETER_PROBLEM, _) => Kind::ParameterProblem,
            _ => return Ok(About::Other),
        },
        Version::V6 => match (kind, code) {
            (icmp::v6::ECHO, 0) => return Ok(About::Echo),
            (icmp::v6::UNREACHABLE, _) => Kind::Unreachable,
            (icmp::v6::TOO_BIG, _) => Kind::TooBig,
            (icmp::v6::TIME_EXCEEDED, _) => Kind::Expired,
            (icmp::v6::PARAMETER_PROBLEM, _) => Kind::ParameterProblem,
            _ => return Ok(About::Other),
        },
    };
    subject(packet, version, kind, l4 + icmp::LEN, l4 + len)
}

/// Reads what lies between `inner` and `end`.
#[inline(always)]
fn subject<P: Packet>(
    packet: &P,
    version: Version,
    kind: Kind,
    inner: usize,
    end: usize,
) -> Result<About, Reason> {
    let Some(Inside {
        protocol,
        transport,
    }) = inside(packet, version, inner, end)?
    else {
        return Ok(About::Other);
    };
    if !matches!(protocol, TCP | UDP) {
        return Ok(About::Other);
    }
    if transport + PORTS > end {
        return Err(Reason::Truncated);
    }
    let ports = packet
        .header::<PORTS>(transport)
        .ok_or(Reason::Truncated)?
        .u32::<0>();
    let (source, destination) = match version {
        Version::V4 => {
            let ip = packet
                .header::<{ ipv4::LEN }>(inner)
                .ok_or(Reason::Truncated)?;
            (mapped(ipv4::source(&ip)), mapped(ipv4::destination(&ip)))
        }
        Version::V6 => {
            let ip = packet
                .header::<{ ipv6::LEN }>(inner)
                .ok_or(Reason::Truncated)?;
            (ipv6::source(&ip), ipv6::destination(&ip))
        }
    };
    Ok(About::Error(Subject {
        kind,
        quote: Quote {
            version,
            inner,
            transport,
            protocol,
        },
        source,
        destination,
        ports,
    }))
}

/// Length of both ports. RFC 792 has 8 bytes of the transport header quoted; no more than these are needed here.
const PORTS: usize = 4;

/// Where the transport header of an IP packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    /// Its protocol.
    pub protocol: u8,
    /// Where it begins in the frame.
    pub transport: usize,
}

/// Finds the transport header of the IP packet at `at`, behind options or extension headers; nothing from `end` on
/// is read. `None` for a later fragment, which has none, and for more than [`STEPS`] extension headers.
#[inline(always)]
pub(crate) fn inside<P: Packet>(
    packet: &P,
    version: Version,
    at: usize,
    end: usize,
) -> Result<Option<Inside>, Reason> {
    match version {
        Version::V4 => inside_v4(packet, at, end),
        Version::V6 => inside_v6(packet, at, end),
    }
}

#[inline(always)]
fn inside_v4<P: Packet>(packet: &P, at: usize, end: usize) -> Result<Option<Inside>, Reason> {
    const OFFSET: u16 = 0x1fff;
    if at + ipv4::LEN > end {
        return Err(Reason::Truncated);
    }
    let ip = packet
        .header::<{ ipv4::LEN }>(at)
        .ok_or(Reason::Truncated)?;
    let header_len = ipv4::header_len(&ip);
    if ipv4::version(&ip) != 4 || header_len < ipv4::LEN {
        return Err(Reason::BadIpHeader);
    }
    if at + header_len > end {
        return Err(Reason::Truncated);
    }
    if ip.u16::<6>() & OFFSET.to_be() != 0 {
        return Ok(None);
    }
    Ok(Some(Inside {
        protocol: ipv4::protocol(&ip),
        transport: at + header_len,
    }))
}

/// Most extension headers that are walked.
const STEPS: usize = 4;

#[inline(always)]
fn inside_v6<P: Packet>(packet: &P, at: usize, end: usize) -> Result<Option<Inside>, Reason> {
    if at + ipv6::LEN > end {
        return Err(Reason::Truncated);
    }
    let ip = packet
        .header::<{ ipv6::LEN }>(at)
        .ok_or(Reason::Truncated)?;
    if ipv6::version(&ip) != 6 {
        return Err(Reason::BadIpHeader);
    }
    let mut protocol = ipv6::next_header(&ip);
    let mut at = at + ipv6::LEN;
    let mut step = 0;
    while step < STEPS {
        if !ipv6::is_walked(protocol) {
            break;
        }
        if at + 8 > end {
            return Err(Reason::Truncated);
        }
        let header = packet.header::<8>(at).ok_or(Reason::Truncated)?;
        if protocol == ipv6::FRAGMENT && header.u16::<2>() & FRAGMENT_OFFSET.to_be() != 0 {
            return Ok(None);
        }
        at += extension_len(protocol, header.u8::<1>());
        protocol = header.u8::<0>();
        step += 1;
    }
    Ok((!ipv6::is_walked(protocol)).then_some(Inside {
        protocol,
        transport: at,
    }))
}

/// Where a fragment begins in its packet (RFC 8200 section 4.5).
const FRAGMENT_OFFSET: u16 = 0xfff8;

/// Length in bytes of the extension header `protocol` whose second byte is `len`.
#[inline(always)]
const fn extension_len(protocol: u8, len: u8) -> usize {
    match protocol {
        ipv6::FRAGMENT => 8,
        _ => ipv6::extension_len(protocol, len),
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
