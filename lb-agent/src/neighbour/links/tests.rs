//! Links from tables, own addresses from messages.

use rtnetlink::packet_route::{address::AddressHeaderFlags, link::VlanProtocol};

use super::{
    super::interface::{Interface, Vlan},
    *,
};

fn interface(name: &str, last: u8, mtu: u32, vlan: Option<(u16, u32)>) -> Interface {
    Interface {
        name: name.into(),
        mac: Some([2, 0, 0, 0, 0, last]),
        up: true,
        mtu,
        vlan: vlan.map(|(id, below)| Vlan {
            id,
            protocol: VlanProtocol::Ieee8021Q,
            below: Some(below),
        }),
        bond: None,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn links_stand_in_the_order_of_device_and_tags() {
    let mut loopback = interface("lo", 0, 65536, None);
    loopback.mac = None;
    let mut idle = interface("idle", 9, 1500, None);
    idle.up = false;
    let interfaces = [
        (1, loopback),
        (2, interface("eth1.256", 4, 1496, Some((256, 8)))),
        (3, interface("eth1.5", 3, 1500, Some((5, 8)))),
        (4, interface("eth0", 1, 65536, None)),
        (5, idle),
        (8, interface("eth1", 2, 9000, None)),
    ]
    .into();
    let addresses = [(
        3,
        [ip("fd00::1"), ip("10.0.0.2"), ip("10.0.0.1")]
            .into_iter()
            .collect(),
    )]
    .into();
    let link = |name: &str, ifindex, device: &str, id: u16, last, mtu| Link {
        name: name.into(),
        ifindex,
        egress: ifindex,
        device: device.into(),
        tags: [id.to_be(), 0],
        mac: [2, 0, 0, 0, 0, last],
        mtu,
        addresses: Vec::new(),
    };
    assert_eq!(
        links(&interfaces, &addresses),
        [
            link("eth0", 4, "eth0", 0, 1, 65535),
            link("eth1", 8, "eth1", 0, 2, 9000),
            Link {
                addresses: vec![ip("10.0.0.1"), ip("10.0.0.2"), ip("fd00::1")],
                ..link("eth1.5", 8, "eth1", 5, 3, 1500)
            },
            link("eth1.256", 8, "eth1", 256, 4, 1496),
        ]
    );
}

#[test]
fn frames_of_a_bond_come_by_its_parts_and_leave_by_it() {
    let part = |name| Interface {
        bond: Some(4),
        ..interface(name, 1, 1500, None)
    };
    let mut without_carrier = part("eth1");
    without_carrier.up = false;
    let interfaces = [
        (2, part("eth0")),
        (3, without_carrier),
        (4, interface("bond0", 1, 1500, None)),
        (5, interface("bond0.7", 1, 1500, Some((7, 4)))),
    ]
    .into();
    let found: Vec<_> = links(&interfaces, &Addresses::new())
        .into_iter()
        .map(|link| {
            (
                link.ifindex,
                u16::from_be(link.tags[0]),
                link.egress,
                link.name,
            )
        })
        .collect();
    let expected = [2, 3, 4].map(|ifindex| {
        [(0, "bond0"), (7, "bond0.7")].map(|(id, name)| (ifindex, id, 4, name.to_owned()))
    });
    assert_eq!(found, expected.concat());
}

fn message(scope: AddressScope, attributes: Vec<AddressAttribute>) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = 3;
    message.header.scope = scope;
    message.attributes = attributes;
    message
}

#[test]
fn a_global_address_is_ours() {
    let address = vec![AddressAttribute::Address(ip("fd00::1"))];
    assert_eq!(
        own(&message(AddressScope::Universe, address)),
        Some((3, ip("fd00::1")))
    );
}

#[test]
fn the_other_end_of_a_point_to_point_interface_is_not_ours() {
    let both = vec![
        AddressAttribute::Address(ip("10.0.0.2")),
        AddressAttribute::Local(ip("10.0.0.1")),
    ];
    assert_eq!(
        own(&message(AddressScope::Universe, both)),
        Some((3, ip("10.0.0.1")))
    );
}

#[test]
fn an_address_of_link_or_host_is_not_ours() {
    for scope in [AddressScope::Link, AddressScope::Host] {
        let address = vec![AddressAttribute::Address(ip("fe80::1"))];
        assert_eq!(own(&message(scope, address)), None);
    }
}

#[test]
fn an_address_another_host_may_have_is_not_ours() {
    for flag in [AddressFlags::Tentative, AddressFlags::Dadfailed] {
        let mut address = vec![AddressAttribute::Address(ip("fd00::1"))];
        let mut in_header = message(AddressScope::Universe, address.clone());
        in_header.header.flags = AddressHeaderFlags::from_bits_retain(flag.bits() as u8);
        assert_eq!(own(&in_header), None);
        address.push(AddressAttribute::Flags(flag));
        assert_eq!(own(&message(AddressScope::Universe, address)), None);
    }
}
