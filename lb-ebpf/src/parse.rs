//! Bytes to meaning. Knows no maps.

mod full;
pub mod icmp;
mod plain;
mod transport;

use lb_common::{Reason, TCP, flow::FlowKey};

pub use full::{Internet, full, internet};
pub use plain::plain;

use crate::{
    header::{ethernet, tcp},
    packet::{Header as _, Packet},
    verdict::Turn,
};

/// What the road needs to know of a packet that could be for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// IP version.
    pub version: Version,
    /// Where the IP header begins in the frame: after the Ethernet header and its VLAN tags.
    pub l3: usize,
    /// Where the transport header begins in the frame.
    pub l4: usize,
    /// Length of the IP packet in bytes, its header included.
    pub len: usize,
    /// Its five-tuple, as seen from the sender. A later fragment has no ports.
    pub key: FlowKey,
    /// TCP: flags of byte 13. Else 0.
    pub flags: u8,
    /// TCP: sequence number, the way it stands in memory. Else 0.
    pub sequence: u32,
    /// What part of a packet it is.
    pub part: Part,
    /// Identification of the packet that a fragment is part of, the way it stands in memory.
    pub id: u32,
}

/// What part of a packet a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// All of it.
    Whole,
    /// Its first fragment.
    First,
    /// A later fragment.
    Later,
}

/// IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Parsed {
    /// Whether it is TCP; otherwise it is UDP.
    #[inline(always)]
    pub const fn is_tcp(&self) -> bool {
        self.key.protocol == TCP as u32
    }

    /// Whether it may begin a flow: UDP, or a SYN without ACK.
    #[inline(always)]
    pub const fn is_opening(&self) -> bool {
        !self.is_tcp() || self.flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    }
}

/// Most VLAN tags that are looked through: 802.1ad has two.
const MAX_TAGS: usize = 2;

/// Where the IP header begins, and which version follows by the EtherType.
#[inline(always)]
pub(crate) fn front<P: Packet>(packet: &P) -> Result<(usize, Version), Turn> {
    let header = packet
        .header::<{ ethernet::LEN }>(0)
        .ok_or(Turn::drop(Reason::Truncated))?;
    if ethernet::is_group(&header) {
        return Err(Turn::pass(Reason::NotUnicast));
    }
    let mut l3 = ethernet::LEN;
    let mut ether_type = ethernet::ether_type(&header);
    let mut tags = 0;
    while tags < MAX_TAGS {
        if ether_type != ethernet::VLAN && ether_type != ethernet::QINQ {
            break;
        }
        let tag = packet
            .header::<{ ethernet::TAG_LEN }>(l3)
            .ok_or(Turn::drop(Reason::Truncated))?;
        ether_type = u16::from_be(tag.u16::<2>());
        l3 += ethernet::TAG_LEN;
        tags += 1;
    }
    match ether_type {
        ethernet::IPV4 => Ok((l3, Version::V4)),
        ethernet::IPV6 => Ok((l3, Version::V6)),
        _ => Err(Turn::pass(Reason::NotIp)),
    }
}
