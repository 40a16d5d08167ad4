//! The kernel's interfaces, and what of them frames see: the device they leave by and the VLAN tags they carry.

use std::collections::BTreeMap;

use lb_common::backend::VlanTags;
use rtnetlink::packet_route::link::{
    InfoData, InfoPortKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType,
    LinkMessage, State, VlanProtocol,
};

#[cfg(test)]
mod tests;

/// Interfaces by index.
pub(super) type Interfaces = BTreeMap<u32, Interface>;

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// Its MAC address, if it is an Ethernet interface.
    pub(super) mac: Option<[u8; 6]>,
    /// Frames can leave by it.
    pub(super) up: bool,
    /// Longest IP packet it takes, in bytes.
    pub(super) mtu: u32,
    /// What it adds to frames, if it is a VLAN interface.
    pub(super) vlan: Option<Vlan>,
    /// Index of the bond it is a part of, if it is one.
    pub(super) bond: Option<u32>,
}

/// The tag of a VLAN interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vlan {
    /// VLAN identifier, in the host's order.
    pub(super) id: u16,
    /// EtherType of the tag.
    pub(super) protocol: VlanProtocol,
    /// Index of the interface it gives tagged frames to, if that is in this network namespace.
    pub(super) below: Option<u32>,
}

/// Where frames of an interface are to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the lowest interface, which carries tagged frames.
    pub(super) ifindex: u32,
    /// Its name.
    pub(super) device: String,
    /// VLAN identifiers of the tags.
    pub(super) tags: VlanTags,
}

/// Follows interface `index` through its VLANs down to the one that carries the tagged frames.
///
/// # Errors
/// A sentence that says why its frames cannot be made here: an interface of the chain is missing, is down or is not
/// Ethernet, or there are tags that [`VlanTags`] cannot say.
pub(super) fn place(interfaces: &Interfaces, index: u32) -> Result<Place, String> {
    let top = get(interfaces, index)?;
    let mut ifindex = index;
    let mut interface = top;
    let mut levels = Vec::new();
    while let Some(vlan) = &interface.vlan {
        usable(interface)?;
        if vlan.id == 0 {
            return Err(format!(
                "{} has VLAN identifier 0, which is no VLAN",
                interface.name
            ));
        }
        levels.push(vlan);
        if levels.len() > VlanTags::default().len() {
            return Err(format!(
                "{} is a VLAN of more than two levels: frames carry two tags at most",
                top.name
            ));
        }
        ifindex = vlan.below.ok_or_else(|| {
            format!(
                "{} is a VLAN on an interface of another network namespace",
                interface.name
            )
        })?;
        interface = get(interfaces, ifindex)?;
    }
    usable(interface)?;
    let network_order = |vlan: &Vlan| vlan.id.to_be();
    let tags = match levels[..] {
        [] => [0, 0],
        // A single tag is written as 802.1Q.
        [only] if only.protocol != VlanProtocol::Ieee8021Q => {
            return Err(format!(
                "{} is an 802.1ad VLAN without an 802.1Q VLAN on it",
                top.name
            ));
        }
        [only] => [network_order(only), 0],
        [inner, outer, ..] => [network_order(outer), network_order(inner)],
    };
    Ok(Place {
        ifindex,
        device: interface.name.clone(),
        tags,
    })
}

fn get(interfaces: &Interfaces, index: u32) -> Result<&Interface, String> {
    interfaces
        .get(&index)
        .ok_or_else(|| format!("its interface {index} has gone"))
}

fn usable(interface: &Interface) -> Result<(), String> {
    if interface.mac.is_none() {
        return Err(format!(
            "{} has no MAC address: backends are reached over Ethernet",
            interface.name
        ));
    }
    if !interface.up {
        return Err(format!("{} is down", interface.name));
    }
    Ok(())
}

impl From<&LinkMessage> for Interface {
    fn from(message: &LinkMessage) -> Self {
        let header = &message.header;
        let mut interface = Self {
            name: header.index.to_string(),
            mac: None,
            up: header.flags.contains(LinkFlags::Up | LinkFlags::Running),
            mtu: 0,
            vlan: None,
            bond: None,
        };
        let (mut below, mut elsewhere) = (None, false);
        let (mut above, mut in_bond) = (None, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => interface.name.clone_from(name),
                LinkAttribute::Address(address)
                    if header.link_layer_type == LinkLayerType::Ether =>
                {
                    interface.mac = address.as_slice().try_into().ok();
                }
                LinkAttribute::OperState(State::Down | State::LowerLayerDown) => {
                    interface.up = false;
                }
                LinkAttribute::Mtu(mtu) => interface.mtu = *mtu,
                LinkAttribute::Link(index) => below = Some(*index),
                // `below` counts the interfaces of another namespace then.
                LinkAttribute::LinkNetNsId(_) => elsewhere = true,
                LinkAttribute::Controller(index) => above = Some(*index),
                LinkAttribute::LinkInfo(info) => {
                    interface.vlan = vlan(info);
                    in_bond = info.contains(&LinkInfo::PortKind(InfoPortKind::Bond));
                }
                _ => {}
            }
        }
        if let Some(vlan) = &mut interface.vlan {
            vlan.below = below.filter(|_| !elsewhere);
        }
        interface.bond = above.filter(|_| in_bond);
        interface
    }
}

/// The tag in a link's description, with nothing below yet.
fn vlan(info: &[LinkInfo]) -> Option<Vlan> {
    let parts = info.iter().find_map(|part| match part {
        LinkInfo::Data(InfoData::Vlan(parts)) => Some(parts),
        _ => None,
    })?;
    let mut vlan = Vlan {
        id: 0,
        protocol: VlanProtocol::default(),
        below: None,
    };
    for part in parts {
        match part {
            InfoVlan::Id(id) => vlan.id = *id,
            InfoVlan::Protocol(protocol) => vlan.protocol = *protocol,
            _ => {}
        }
    }
    Some(vlan)
}
