//! VLANs: clients on one, backends on another, the balancer on both; tags are looked through, written and changed.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use lb_tests::lab::{
    Lab, Layout, agent,
    layout::{DB_V4, DB_V6, WEB_V4, WEB_V6},
};

use super::{
    ask::EACH,
    scene::{self, BACKENDS, Scene},
};

/// The tags of every frame between client, balancer and backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// One, of 802.1Q.
    One,
    /// Two: one of 802.1ad, which all have in common, around one of 802.1Q.
    Two,
}

/// The VLAN of the clients.
const CLIENTS: u8 = 10;
/// The VLAN of the backends.
const BACKEND: u8 = 20;
/// The VLAN around both.
const OUTER: u16 = 200;

/// Has a client use services by NAT and by direct return.
pub fn check(tags: Tags) -> Result<String> {
    let lab = Lab::with_layout("lb-guest", Layout::one_arm(BACKENDS))?;
    leave_tags_in_frames(&lab, &[])?;
    add(&lab, ["client", "eth0"], CLIENTS, 1, tags)?;
    add(&lab, ["lb", "eth0"], CLIENTS, 2, tags)?;
    add(&lab, ["lb", "eth0"], BACKEND, 2, tags)?;
    for number in 1..=BACKENDS {
        let node = format!("be{number}");
        add(&lab, [&node, "eth0"], BACKEND, 10 + number, tags)?;
    }
    let (nat, direct) = ([WEB_V4.into(), WEB_V6.into()], [DB_V4.into(), DB_V6.into()]);
    let all = [nat, direct].concat();
    lead_clients(&lab, &all)?;
    lead_back(&lab)?;

    let address = |number: u8, v6| {
        let [v4_address, v6_address] = on(BACKEND, 10 + number);
        if v6 { v6_address } else { v4_address }
    };
    let backends = |v6| [1, 2].map(|number| address(number, v6));
    let services = [
        scene::service("nat-4", &nat[..1], "forward = \"nat\"", &backends(false)),
        scene::service("nat-6", &nat[1..], "forward = \"nat\"", &backends(true)),
        scene::service("direct", &direct, "forward = \"dsr\"", &backends(false)),
    ]
    .concat();
    let config = agent::config(&lab, "native", &services);
    let scene = Scene::start(lab, &config, |number| {
        let own = [false, true].map(|v6| address(number, v6));
        Ok([&own[..], &direct].concat())
    })?;
    let packets = scene.serves(&all)?;
    scene.end()?;
    Ok(format!(
        "NAT and direct return from {} to {}, IPv4 and IPv6: {EACH} connections and {EACH} UDP flows each, half to either \
         backend; 1 MB there and back; {packets} packets to backends",
        device("eth0", CLIENTS, tags),
        device("eth0", BACKEND, tags),
    ))
}

/// Puts clients, and the balancer with its interface `below`, on a VLAN by which clients send to these VIPs.
pub fn between_clients_and(lab: &Lab, below: &str, vips: &[IpAddr]) -> Result<()> {
    add(lab, ["client", "eth0"], CLIENTS, 1, Tags::One)?;
    add(lab, ["lb", below], CLIENTS, 2, Tags::One)?;
    lead_clients(lab, vips)
}

/// Name of the interface for a VLAN on another interface.
fn device(below: &str, vlan: u8, tags: Tags) -> String {
    match tags {
        Tags::One => format!("{below}.{vlan}"),
        Tags::Two => format!("{below}.{OUTER}.{vlan}"),
    }
}

/// Host `host` in the network of a VLAN.
fn on(vlan: u8, host: u8) -> [IpAddr; 2] {
    let digits = |value: u8| u16::from(value / 10) << 4 | u16::from(value % 10);
    let v6 = [0xfd78, digits(vlan), 0, 0, 0, 0, 0, digits(host)];
    [[10, 78, vlan, host].into(), v6.into()]
}

/// A veth keeps tags beside the frame, where no XDP program sees them: not those of the lab's cables, and not these ends of
/// others, each a node and an interface.
pub fn leave_tags_in_frames(lab: &Lab, more: &[(&str, &str)]) -> Result<()> {
    let hosts = lab.layout().nodes();
    let ends = hosts
        .iter()
        .flat_map(|node| [("wire", node.as_str()), (node, "eth0")]);
    for (node, device) in ends.chain(more.iter().copied()) {
        let off = [
            "-K",
            device,
            "txvlan",
            "off",
            "rxvlan",
            "off",
            "tx-vlan-stag-hw-insert",
            "off",
            "rx-vlan-stag-hw-parse",
            "off",
        ];
        let output = lab.command(node, "ethtool", off).output()?;
        anyhow::ensure!(
            output.status.success(),
            "ethtool on {device} of {node}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Puts a node with one of its interfaces on a VLAN. Its MAC address there is no other interface's, so that nobody takes untagged frames for it.
fn add(lab: &Lab, [node, carrier]: [&str; 2], vlan: u8, host: u8, tags: Tags) -> Result<()> {
    let device = device(carrier, vlan, tags);
    let mac = format!("02:4c:42:78:{vlan:02}:{host:02}");
    let [v4, v6] = on(vlan, host);
    let outer = format!("{carrier}.{OUTER}");
    let mut lines = Vec::new();
    let below = match tags {
        Tags::One => carrier,
        Tags::Two => {
            // The first VLAN of a node makes the one around it.
            if lab.ip(node, &[format!("link show {outer}")]).is_err() {
                lines.push(format!(
                    "link add link {carrier} name {outer} type vlan proto 802.1ad id {OUTER}"
                ));
                lines.push(format!("link set {outer} up"));
            }
            &outer
        }
    };
    // An Ethernet frame of 1500 bytes has room for one tag, as every driver knows, but not for two.
    let mtu = match tags {
        Tags::One => 1500,
        Tags::Two => 1496,
    };
    lines.extend([
        format!("link add link {below} name {device} address {mac} mtu {mtu} type vlan id {vlan}"),
        format!("link set {device} up"),
        format!("addr add {v4}/24 dev {device}"),
        format!("addr add {v6}/64 dev {device} nodad"),
    ]);
    lab.ip(node, &lines)
        .with_context(|| format!("{device} of {node}"))
}

/// Has the client reach the VIPs by its VLAN.
fn lead_clients(lab: &Lab, vips: &[IpAddr]) -> Result<()> {
    let [balancer_v4, balancer_v6] = on(CLIENTS, 2);
    let lines: Vec<_> = vips
        .iter()
        .map(|vip| {
            let balancer = if vip.is_ipv4() {
                balancer_v4
            } else {
                balancer_v6
            };
            format!("route replace {vip} via {balancer}")
        })
        .collect();
    lab.ip("client", &lines)
}

/// Has backends answer the client directly without tags: they are not on its VLAN.
fn lead_back(lab: &Lab) -> Result<()> {
    let client = lab.addresses("client")?;
    let [v4, v6] = on(CLIENTS, 1);
    for number in 1..=BACKENDS {
        let lines = [
            format!("route add {v4} via {}", client.v4),
            format!("route add {v6} via {}", client.v6),
        ];
        lab.ip(&format!("be{number}"), &lines)?;
    }
    Ok(())
}
