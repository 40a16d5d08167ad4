//! The links of this host: interfaces and VLANs that frames may come by, and its own addresses on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use lb_common::backend::VlanTags;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressScope,
};

use super::interface::{Interface, Interfaces, place};

#[cfg(test)]
mod tests;

/// A link frames may come by: an Ethernet interface or a VLAN on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name of the interface, e.g. `eth0.100`.
    pub name: String,
    /// Index of the interface that its frames come by, with their tags.
    pub ifindex: u32,
    /// Index of the interface that its frames leave by: the same, unless they come by a part of a bond.
    pub egress: u32,
    /// Name of that interface, e.g. `eth0`; equal to `name` without VLAN.
    pub device: String,
    /// VLAN identifiers of its frames.
    pub tags: VlanTags,
    /// Own MAC address.
    pub mac: [u8; 6],
    /// Longest IP packet it takes, in bytes.
    pub mtu: u16,
    /// The host's own addresses on it, in ascending order.
    pub addresses: Vec<IpAddr>,
}

/// Own addresses by index of the interface.
pub(super) type Addresses = BTreeMap<u32, BTreeSet<IpAddr>>;

/// The links that are up, by number of the interface that their frames come by, then by tags.
///
/// A native program on a bond runs on the interfaces it is made of, and sees frames come by them; a generic one sees them
/// come by the bond. Both leave by the bond, which knows by which of its parts frames get through.
pub(super) fn links(interfaces: &Interfaces, addresses: &Addresses) -> Vec<Link> {
    let mut links: Vec<Link> = interfaces
        .iter()
        .filter(|(_, interface)| interface.bond.is_none())
        .filter_map(|(index, interface)| {
            let place = place(interfaces, *index).ok()?;
            Some(Link {
                name: interface.name.clone(),
                ifindex: place.ifindex,
                egress: place.ifindex,
                device: place.device,
                tags: place.tags,
                mac: interface.mac?,
                mtu: capped(interface.mtu),
                addresses: addresses
                    .get(index)
                    .map(|own| own.iter().copied().collect())
                    .unwrap_or_default(),
            })
        })
        .collect();
    let by_parts: Vec<Link> = links
        .iter()
        .flat_map(|link| {
            let of_bond = |interface: &Interface| interface.bond == Some(link.egress);
            let parts = interfaces.iter().filter(move |(_, part)| of_bond(part));
            parts.map(|(part, _)| Link {
                ifindex: *part,
                ..link.clone()
            })
        })
        .collect();
    links.extend(by_parts);
    links.sort_by_key(|link| (link.ifindex, link.tags.map(u16::from_be)));
    links
}

/// An MTU in bytes, at most what an IP header can say.
pub(super) fn capped(mtu: u32) -> u16 {
    u16::try_from(mtu).unwrap_or(u16::MAX)
}

/// The interface and the address of a message, if others can reach this host by it: it is global and no other host
/// may turn out to have it (RFC 4862 section 5.4).
pub(super) fn own(message: &AddressMessage) -> Option<(u32, IpAddr)> {
    let mut flags = u32::from(message.header.flags.bits());
    let (mut address, mut local) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Flags(more) => flags |= more.bits(),
            _ => {}
        }
    }
    let doubtful = (AddressFlags::Tentative | AddressFlags::Dadfailed).bits();
    if message.header.scope != AddressScope::Universe || flags & doubtful != 0 {
        return None;
    }
    // Of a point-to-point interface IFA_ADDRESS is the other end.
    Some((message.header.index, local.or(address)?))
}
