//! VLAN chains from tables of links, and links from messages.

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn ethernet(name: &str) -> Interface {
    Interface {
        name: name.into(),
        mac: Some(MAC),
        up: true,
        mtu: 1500,
        vlan: None,
        bond: None,
    }
}

fn vlan(name: &str, id: u16, protocol: VlanProtocol, below: u32) -> Interface {
    Interface {
        vlan: Some(Vlan {
            id,
            protocol,
            below: Some(below),
        }),
        ..ethernet(name)
    }
}

/// eth0 (2), eth0.100 on it (3), service VLAN 200 (4), customer VLAN 30 on that (5).
fn table() -> Interfaces {
    use VlanProtocol::{Ieee8021Ad, Ieee8021Q};
    [
        (2, ethernet("eth0")),
        (3, vlan("eth0.100", 100, Ieee8021Q, 2)),
        (4, vlan("s200", 200, Ieee8021Ad, 2)),
        (5, vlan("s200.30", 30, Ieee8021Q, 4)),
    ]
    .into()
}

fn on_eth0(outer: u16, inner: u16) -> Result<Place, String> {
    Ok(Place {
        ifindex: 2,
        device: "eth0".into(),
        tags: [outer.to_be(), inner.to_be()],
    })
}

#[test]
fn an_interface_without_vlan_is_its_own_device() {
    assert_eq!(place(&table(), 2), on_eth0(0, 0));
}

#[test]
fn a_vlan_leads_to_the_device_below() {
    assert_eq!(place(&table(), 3), on_eth0(100, 0));
}

#[test]
fn of_two_vlans_the_lower_one_is_the_outer_tag() {
    assert_eq!(place(&table(), 5), on_eth0(200, 30));
}

#[test]
fn any_two_protocols_are_taken() {
    let mut table = table();
    table.insert(6, vlan("v", 7, VlanProtocol::Ieee8021Q, 3));
    assert_eq!(place(&table, 6), on_eth0(100, 7));
}

#[test]
fn what_cannot_be_said_is_an_error() {
    let mut table = table();
    table.insert(6, vlan("three", 7, VlanProtocol::Ieee8021Q, 5));
    table.insert(7, vlan("zero", 0, VlanProtocol::Ieee8021Q, 2));
    table.insert(8, vlan("orphan", 8, VlanProtocol::Ieee8021Q, 99));
    let mut far = vlan("far", 9, VlanProtocol::Ieee8021Q, 2);
    far.vlan.as_mut().unwrap().below = None;
    table.insert(9, far);
    // A chain that bites its tail ends as well.
    table.insert(10, vlan("ring", 10, VlanProtocol::Ieee8021Q, 10));
    for (index, why) in [
        (4, "s200 is an 802.1ad VLAN without an 802.1Q VLAN on it"),
        (
            6,
            "three is a VLAN of more than two levels: frames carry two tags at most",
        ),
        (7, "zero has VLAN identifier 0, which is no VLAN"),
        (8, "its interface 99 has gone"),
        (
            9,
            "far is a VLAN on an interface of another network namespace",
        ),
        (
            10,
            "ring is a VLAN of more than two levels: frames carry two tags at most",
        ),
        (11, "its interface 11 has gone"),
    ] {
        assert_eq!(place(&table, index), Err(why.into()));
    }
}

#[test]
fn every_interface_of_the_chain_must_be_up() {
    for (down, name) in [(2, "eth0"), (4, "s200"), (5, "s200.30")] {
        let mut table = table();
        table.get_mut(&down).unwrap().up = false;
        assert_eq!(place(&table, 5), Err(format!("{name} is down")));
    }
}

#[test]
fn only_ethernet_has_a_place() {
    let mut table = table();
    table.get_mut(&2).unwrap().mac = None;
    assert_eq!(
        place(&table, 2),
        Err("eth0 has no MAC address: backends are reached over Ethernet".into())
    );
}

fn message(attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = 3;
    message.header.link_layer_type = LinkLayerType::Ether;
    message.header.flags = LinkFlags::Up | LinkFlags::Running;
    message.attributes = attributes;
    message
}

fn tagged(protocol: VlanProtocol) -> Vec<LinkAttribute> {
    vec![
        LinkAttribute::IfName("eth0.100".into()),
        LinkAttribute::Address(MAC.to_vec()),
        LinkAttribute::Mtu(1500),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(rtnetlink::packet_route::link::InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(vec![
                InfoVlan::Protocol(protocol),
                InfoVlan::Id(100),
            ])),
        ]),
        LinkAttribute::Link(2),
    ]
}

#[test]
fn a_message_tells_of_a_vlan() {
    for protocol in [VlanProtocol::Ieee8021Q, VlanProtocol::Ieee8021Ad] {
        assert_eq!(
            Interface::from(&message(tagged(protocol))),
            vlan("eth0.100", 100, protocol, 2)
        );
    }
}

#[test]
fn an_index_of_another_namespace_is_not_followed() {
    let mut attributes = tagged(VlanProtocol::Ieee8021Q);
    attributes.push(LinkAttribute::LinkNetNsId(0));
    let interface = Interface::from(&message(attributes));
    assert_eq!(interface.vlan.unwrap().below, None);
}

#[test]
fn a_part_of_a_bond_names_it_and_a_port_of_a_bridge_names_nothing() {
    for (kind, bond) in [(InfoPortKind::Bond, Some(9)), (InfoPortKind::Bridge, None)] {
        let interface = Interface::from(&message(vec![
            LinkAttribute::LinkInfo(vec![LinkInfo::PortKind(kind)]),
            LinkAttribute::Controller(9),
        ]));
        assert_eq!(interface.bond, bond);
    }
}

#[test]
fn the_other_end_of_a_veth_is_not_below_it() {
    let interface = Interface::from(&message(vec![
        LinkAttribute::Address(MAC.to_vec()),
        LinkAttribute::Link(2),
    ]));
    assert_eq!(interface.vlan, None);
}

#[test]
fn loopback_has_no_mac_address() {
    let mut message = message(vec![LinkAttribute::Address(vec![0; 6])]);
    message.header.link_layer_type = LinkLayerType::Loopback;
    assert_eq!(Interface::from(&message).mac, None);
}

#[test]
fn an_interface_is_up_when_frames_can_leave() {
    let state = |state| {
        let attributes = vec![LinkAttribute::OperState(state)];
        Interface::from(&message(attributes)).up
    };
    // A dummy interface never knows.
    assert!(state(State::Up) && state(State::Unknown));
    assert!(!state(State::Down) && !state(State::LowerLayerDown));
    let mut no_carrier = message(Vec::new());
    no_carrier.header.flags = LinkFlags::Up;
    assert!(!Interface::from(&no_carrier).up);
}
