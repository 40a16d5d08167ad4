//! From a layout to namespaces, cables, addresses and routes.

use std::{net::IpAddr, process::Command};

use anyhow::Result;

use super::{
    Addresses, Cables, Lab, Layout, Servers, Topology, layout, pass::Pass, settings, tool,
};

/// Makes the namespaces of `lab` and everything in them; the programs are to be kept as long as the lab.
pub(super) fn build(lab: &Lab) -> Result<Vec<Pass>> {
    let layout = lab.layout();
    let mut nodes = layout.nodes();
    if layout.topology == Topology::OneArm {
        nodes.push("wire".to_owned());
    }
    let netns = |node: &str| lab.namespace(node).name().to_owned();
    for node in &nodes {
        tool::run(Command::new("ip").args(["netns", "add", &netns(node)]))?;
        lab.in_namespace(node, || settings::write(layout, node))??;
    }
    if layout.topology == Topology::OneArm {
        tool::ip_batch(
            &netns("wire"),
            &["link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0".to_owned()],
        )?;
    }
    let cables = cables(layout)?;
    for cable in &cables {
        cable.lay(lab)?;
    }
    // Every end up before any address: without a carrier an IPv6 address is not usable yet.
    for node in &nodes {
        tool::ip_batch(&netns(node), &ups(node, &cables))?;
    }
    for node in layout.nodes() {
        tool::ip_batch(&netns(&node), &addresses(layout, &node, &cables)?)?;
    }
    if layout.cables == Cables::Plain {
        return Ok(Vec::new());
    }
    cables
        .iter()
        .filter_map(Cable::other_end_from_balancer)
        .map(|end| Pass::attach(&lab.namespace(&end.node), &end.device))
        .collect()
}

/// Lays one more cable from the bridge to `device` of `node`.
pub(super) fn plug(lab: &Lab, node: &str, device: &str) -> Result<Pass> {
    let [.., number] = lab.addresses(node)?.mac;
    let plug = |interface| Plug::BridgePort(layout::mac(number, interface));
    let port = End {
        node: "wire".to_owned(),
        device: format!("{node}-{device}"),
        plug: plug(3),
    };
    let cable = Cable {
        near: End {
            node: node.to_owned(),
            device: device.to_owned(),
            plug: plug(2),
        },
        far: port,
    };
    cable.lay(lab)?;
    let Cable { far: port, .. } = cable;
    lab.ip("wire", &[format!("link set {} master br0 up", port.device)])?;
    Pass::attach(&lab.namespace("wire"), &port.device)
}

struct Cable {
    near: End,
    far: End,
}

impl Cable {
    fn lay(&self, lab: &Lab) -> Result<()> {
        let mtu = lab.layout().mtu;
        let Self { near, far } = self;
        let line = format!(
            "link add {} mtu {mtu} address {} type veth peer name {} mtu {mtu} address {} netns {}",
            near.device,
            colons(near.mac()),
            far.device,
            colons(far.mac()),
            lab.namespace(&far.node).name(),
        );
        lab.ip(&near.node, &[line])?;
        if lab.layout().cables == Cables::Xdp {
            for end in [near, far] {
                tame(lab, end)?;
            }
        }
        Ok(())
    }

    fn other_end_from_balancer(&self) -> Option<&End> {
        match (self.near.node.as_str(), self.far.node.as_str()) {
            ("lb", _) => Some(&self.far),
            (_, "lb") => Some(&self.near),
            _ => None,
        }
    }
}

struct End {
    node: String,
    device: String,
    plug: Plug,
}

enum Plug {
    Host(Addresses),
    BridgePort([u8; 6]),
}

impl End {
    fn host(node: &str, device: impl Into<String>, addresses: Addresses) -> Self {
        Self {
            node: node.to_owned(),
            device: device.into(),
            plug: Plug::Host(addresses),
        }
    }

    fn mac(&self) -> [u8; 6] {
        match self.plug {
            Plug::Host(Addresses { mac, .. }) | Plug::BridgePort(mac) => mac,
        }
    }
}

fn cables(layout: &Layout) -> Result<Vec<Cable>> {
    match layout.topology {
        Topology::OneArm => segment(layout),
        Topology::TwoArm => star(layout),
        Topology::Routed => behind_router(layout),
    }
}

/// Every node on the bridge.
fn segment(layout: &Layout) -> Result<Vec<Cable>> {
    let cable = |node: String| {
        let addresses = layout.addresses(&node)?;
        let [.., number] = addresses.mac;
        Ok(Cable {
            near: End::host(&node, "eth0", addresses),
            far: End {
                node: "wire".to_owned(),
                device: node,
                plug: Plug::BridgePort(layout::mac(number, 1)),
            },
        })
    };
    layout.nodes().into_iter().map(cable).collect()
}

/// Every node on the balancer, and every backend on the client as well.
fn star(layout: &Layout) -> Result<Vec<Cable>> {
    let mut cables = vec![Cable {
        near: End::host("client", "eth0", layout.addresses("client")?),
        far: End::host("lb", "eth0", layout.addresses("lb")?),
    }];
    for index in 1..=layout.backends {
        let node = format!("be{index}");
        let device = format!("eth{index}");
        let [.., number] = layout.addresses("lb")?.mac;
        cables.push(Cable {
            near: End::host(&node, "eth0", layout.addresses(&node)?),
            far: End::host(
                "lb",
                &device,
                layout::on(index, 1, layout::mac(number, index)),
            ),
        });
        if layout.servers == Servers::Ordinary {
            continue;
        }
        let (backend, client) = way_back(layout, index)?;
        cables.push(Cable {
            near: End::host(&node, "eth1", backend),
            far: End::host("client", &device, client),
        });
    }
    Ok(cables)
}

/// The client on the balancer, and everybody on the router.
fn behind_router(layout: &Layout) -> Result<Vec<Cable>> {
    let [.., client] = layout.addresses("client")?.mac;
    let [.., balancer] = layout.addresses("lb")?.mac;
    let [.., router] = layout.addresses("router")?.mac;
    let mut cables = vec![
        Cable {
            near: End::host("client", "eth0", layout.addresses("client")?),
            far: End::host("lb", "eth0", layout.addresses("lb")?),
        },
        Cable {
            near: End::host("router", "eth0", layout.addresses("router")?),
            far: End::host(
                "lb",
                "eth1",
                layout::on(layout::NEAR, 1, layout::mac(balancer, 1)),
            ),
        },
        Cable {
            near: End::host(
                "router",
                "eth1",
                layout::on(layout::PAST, 2, layout::mac(router, 1)),
            ),
            far: End::host(
                "client",
                "eth1",
                layout::on(layout::PAST, 1, layout::mac(client, 1)),
            ),
        },
    ];
    for index in 1..=layout.backends {
        let node = format!("be{index}");
        let device = index + 1;
        cables.push(Cable {
            near: End::host(&node, "eth0", layout.addresses(&node)?),
            far: End::host(
                "router",
                format!("eth{device}"),
                layout::on(index, 1, layout::mac(router, device)),
            ),
        });
    }
    Ok(cables)
}

/// The two ends of the cable that goes past the balancer.
fn way_back(layout: &Layout, index: u8) -> Result<(Addresses, Addresses)> {
    let [.., backend] = layout.addresses(&format!("be{index}"))?.mac;
    let [.., client] = layout.addresses("client")?.mac;
    Ok((
        layout::on(100 + index, 2, layout::mac(backend, 1)),
        layout::on(100 + index, 1, layout::mac(client, index)),
    ))
}

/// Makes a veth fit for XDP on either end.
fn tame(lab: &Lab, end: &End) -> Result<()> {
    // tx off: checksums are complete in the frame, else an XDP program would edit half-made ones.
    // tso, gso off: no frame is larger than the MTU.
    // gro on: a veth has NAPI, without which it takes nothing that its peer was sent by XDP_REDIRECT.
    let args = [
        "-K",
        &end.device,
        "tx",
        "off",
        "tso",
        "off",
        "gso",
        "off",
        "gro",
        "on",
    ];
    tool::run(&mut lab.command(&end.node, "ethtool", args)).map(drop)
}

fn ups(node: &str, cables: &[Cable]) -> Vec<String> {
    let mut lines = vec!["link set lo up".to_owned()];
    if node == "wire" {
        lines.push("link set br0 up".to_owned());
    }
    lines.extend(ends(node, cables).map(|end| match end.plug {
        Plug::Host(_) => format!("link set {} up", end.device),
        Plug::BridgePort(_) => format!("link set {} master br0 up", end.device),
    }));
    lines
}

fn addresses(layout: &Layout, node: &str, cables: &[Cable]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for end in ends(node, cables) {
        if let Plug::Host(addresses) = end.plug {
            lines.push(format!("addr add {}/24 dev {}", addresses.v4, end.device));
            lines.push(format!(
                "addr add {}/64 dev {} nodad",
                addresses.v6, end.device
            ));
        }
    }
    if layout.holds_vips(node) {
        lines.extend(layout.vips.iter().map(on_loopback));
    }
    let backend = node.strip_prefix("be").and_then(|index| index.parse().ok());
    match (node, layout.topology, backend) {
        ("client", ..) => lines.extend(client_routes(layout)?),
        ("lb", Topology::Routed, _) => lines.extend(balancer_routes(layout)?),
        ("router", ..) => lines.extend(router_routes(layout)?),
        (_, Topology::TwoArm, Some(index)) if layout.servers == Servers::Direct => {
            lines.extend(backend_routes(layout, index)?);
        }
        (_, Topology::Routed, Some(index)) => {
            let router = layout::on(index, 1, layout::mac(0, 0));
            lines.push(format!("route add default via {}", router.v4));
            lines.push(format!("route add default via {}", router.v6));
        }
        _ => {}
    }
    Ok(lines)
}

fn on_loopback(vip: &IpAddr) -> String {
    match vip {
        IpAddr::V4(vip) => format!("addr add {vip}/32 dev lo"),
        IpAddr::V6(vip) => format!("addr add {vip}/128 dev lo nodad"),
    }
}

/// To the services by way of the balancer; to the backends' own addresses past it, where there is such a way.
fn client_routes(layout: &Layout) -> Result<Vec<String>> {
    let balancer = layout.addresses("lb")?;
    let client = layout.addresses("client")?;
    let mut lines: Vec<_> = layout
        .vips
        .iter()
        .map(|vip| match vip {
            IpAddr::V4(_) => format!("route add {vip} via {}", balancer.v4),
            IpAddr::V6(_) => format!("route add {vip} via {}", balancer.v6),
        })
        .collect();
    if layout.topology == Topology::TwoArm && layout.servers == Servers::Direct {
        for index in 1..=layout.backends {
            let own = layout.addresses(&format!("be{index}"))?;
            let (backend, _) = way_back(layout, index)?;
            lines.push(format!(
                "route add {} via {} src {}",
                own.v4, backend.v4, client.v4
            ));
            lines.push(format!(
                "route add {} via {} src {}",
                own.v6, backend.v6, client.v6
            ));
        }
    }
    Ok(lines)
}

/// To the backends' networks by way of the router.
fn balancer_routes(layout: &Layout) -> Result<Vec<String>> {
    let router = layout.addresses("router")?;
    let mut lines = Vec::new();
    for index in 1..=layout.backends {
        let own = layout.addresses(&format!("be{index}"))?;
        lines.push(format!("route add {} via {}", own.v4, router.v4));
        lines.push(format!("route add {} via {}", own.v6, router.v6));
    }
    Ok(lines)
}

/// To the client past the balancer.
fn router_routes(layout: &Layout) -> Result<Vec<String>> {
    let client = layout.addresses("client")?;
    let hop = layout::on(layout::PAST, 1, layout::mac(0, 0));
    Ok(vec![
        format!("route add {} via {}", client.v4, hop.v4),
        format!("route add {} via {}", client.v6, hop.v6),
    ])
}

/// To the client past the balancer.
fn backend_routes(layout: &Layout, index: u8) -> Result<Vec<String>> {
    let own = layout.addresses(&format!("be{index}"))?;
    let client = layout.addresses("client")?;
    let (_, hop) = way_back(layout, index)?;
    Ok(vec![
        format!("route add {} via {} src {}", client.v4, hop.v4, own.v4),
        format!("route add {} via {} src {}", client.v6, hop.v6, own.v6),
    ])
}

fn ends<'a>(node: &'a str, cables: &'a [Cable]) -> impl Iterator<Item = &'a End> {
    cables
        .iter()
        .flat_map(|cable| [&cable.near, &cable.far])
        .filter(move |end| end.node == node)
}

fn colons(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
