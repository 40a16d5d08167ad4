//! What a lab looks like: which nodes there are and where each is reached. Data only.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use anyhow::{Result, bail, ensure};

/// How client, balancer and backends are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// All on one bridge (namespace `wire`), each with one interface, `eth0`: the usual direct-return segment.
    /// The balancer sends frames back out of the interface they came by.
    OneArm,
    /// The client and each backend on a cable of their own to the balancer (its `eth0` and `eth1`, `eth2`, ...), which
    /// sends frames out of another interface than they came by. Backends answer over a second cable (`eth1`)
    /// that goes to the client past the balancer.
    TwoArm,
    /// The client and a router (namespace `router`) on a cable each to the balancer (its `eth0` and `eth1`), the backends
    /// in other networks on cables of their own to that router, by which they reach everybody. What they send to the
    /// client goes past the balancer: the router has a cable to the client as well (its `eth1`).
    Routed,
}

/// What backends know of the service addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// They hold them on `lo`, and have a way to the client that does not lead past the balancer.
    Direct,
    /// Nothing: they are ordinary hosts, and have no route beyond their own network unless a router is there. The balancer
    /// holds the service addresses and is at work on all its interfaces.
    Ordinary,
}

/// How the ends of cables are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cables {
    /// Fit for a balancer that sends by XDP: no offload leaves a frame half made, and the ends that face the balancer take
    /// what it sends.
    Xdp,
    /// As the kernel makes them, with every offload and no program.
    Plain,
}

/// Everything that can be chosen about a lab.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How the nodes are connected.
    pub topology: Topology,
    /// Number of backends, `be1` and up; at most [`Layout::MAX_BACKENDS`].
    pub backends: u8,
    /// What the backends know of the service addresses.
    pub servers: Servers,
    /// How the ends of cables are set up.
    pub cables: Cables,
    /// Service addresses: on `lo` of every backend that holds them, and routed to the balancer by the client.
    pub vips: Vec<IpAddr>,
    /// Whether the balancer owns the service addresses even where the backends hold them.
    pub vip_on_lb: bool,
    /// Whether the balancer's kernel forwards.
    pub ip_forward: bool,
    /// MTU of every interface, in bytes.
    pub mtu: u32,
    /// How long to wait for another process that has a lab with the same prefix.
    pub patience: Duration,
}

/// Where a node is reached, on its interface that faces the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address.
    pub v6: Ipv6Addr,
    /// The MAC address of that interface.
    pub mac: [u8; 6],
}

/// Service address of `web`.
pub const WEB_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Service address of `web`.
pub const WEB_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
/// Service address of `db`.
pub const DB_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
/// Service address of `db`.
pub const DB_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x20);

impl Default for Layout {
    fn default() -> Self {
        Self {
            topology: Topology::OneArm,
            backends: 2,
            servers: Servers::Direct,
            cables: Cables::Xdp,
            vips: vec![WEB_V4.into(), WEB_V6.into(), DB_V4.into(), DB_V6.into()],
            vip_on_lb: false,
            ip_forward: false,
            mtu: 1500,
            patience: Duration::from_secs(60),
        }
    }
}

impl Layout {
    /// Backends a lab has addresses for.
    pub const MAX_BACKENDS: u8 = 90;

    /// One segment with `backends` backends.
    pub fn one_arm(backends: u8) -> Self {
        Self {
            backends,
            ..Self::default()
        }
    }

    /// A cable per backend, with `backends` backends.
    pub fn two_arm(backends: u8) -> Self {
        Self {
            topology: Topology::TwoArm,
            backends,
            ..Self::default()
        }
    }

    /// Networks behind a router, with `backends` backends.
    pub fn routed(backends: u8) -> Self {
        Self {
            topology: Topology::Routed,
            backends,
            ..Self::default()
        }
    }

    /// With backends that know nothing of the service addresses.
    #[must_use]
    pub fn ordinary(self) -> Self {
        Self {
            servers: Servers::Ordinary,
            ..self
        }
    }

    /// With room for jumbo frames on every interface.
    #[must_use]
    pub fn jumbo(self) -> Self {
        Self { mtu: 9000, ..self }
    }

    /// The nodes that have addresses: `client`, `lb`, `router` where there is one, `be1` and so on.
    pub fn nodes(&self) -> Vec<String> {
        let router = (self.topology == Topology::Routed).then(|| "router".to_owned());
        ["client".to_owned(), "lb".to_owned()]
            .into_iter()
            .chain(router)
            .chain((1..=self.backends).map(|index| format!("be{index}")))
            .collect()
    }

    /// The balancer's interfaces where it is at work: that by which the client's packets come, and where answers pass it
    /// those to the backends.
    pub fn balancer_interfaces(&self) -> Vec<String> {
        let others = match (self.servers, self.topology) {
            (Servers::Direct, _) | (_, Topology::OneArm) => 0,
            (Servers::Ordinary, Topology::Routed) => 1,
            (Servers::Ordinary, Topology::TwoArm) => self.backends,
        };
        (0..=others).map(|index| format!("eth{index}")).collect()
    }

    /// Whether `node` holds the service addresses.
    pub(super) fn holds_vips(&self, node: &str) -> bool {
        match node {
            "client" | "router" => false,
            "lb" => self.vip_on_lb || self.servers == Servers::Ordinary,
            _ => self.servers == Servers::Direct,
        }
    }

    /// Where `node` is reached.
    ///
    /// # Errors
    /// No such node in this layout.
    pub fn addresses(&self, node: &str) -> Result<Addresses> {
        Ok(match (self.node(node)?, self.topology) {
            (Node::Client, _) => on(0, 1, mac(1, 0)),
            (Node::Balancer, _) => on(0, 2, mac(2, 0)),
            (Node::Router, _) => on(NEAR, 2, mac(3, 0)),
            (Node::Backend(index), Topology::OneArm) => on(0, 10 + index, mac(10 + index, 0)),
            (Node::Backend(index), Topology::TwoArm | Topology::Routed) => {
                on(index, 2, mac(10 + index, 0))
            }
        })
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            (1..=Self::MAX_BACKENDS).contains(&self.backends),
            "a lab has 1 to {} backends, not {}",
            Self::MAX_BACKENDS,
            self.backends
        );
        Ok(())
    }

    fn node(&self, name: &str) -> Result<Node> {
        match name {
            "client" => return Ok(Node::Client),
            "lb" => return Ok(Node::Balancer),
            "router" if self.topology == Topology::Routed => return Ok(Node::Router),
            _ => {}
        }
        let index = name.strip_prefix("be").and_then(|index| index.parse().ok());
        match index {
            Some(index) if (1..=self.backends).contains(&index) => Ok(Node::Backend(index)),
            _ => bail!(
                "no node `{name}` in this lab; it has {}",
                self.nodes().join(", ")
            ),
        }
    }
}

/// The subnet of balancer and router.
pub(super) const NEAR: u8 = 101;
/// The subnet of router and client.
pub(super) const PAST: u8 = 102;

/// Host `host` on subnet `subnet`: 10.77.SUBNET.HOST and fd77:SUBNET::HOST, the decimal digits read as they stand.
pub(super) fn on(subnet: u8, host: u8, mac: [u8; 6]) -> Addresses {
    let digits = |value: u8| {
        u16::from(value / 10 % 10) << 4 | u16::from(value % 10) | u16::from(value / 100) << 8
    };
    Addresses {
        v4: Ipv4Addr::new(10, 77, subnet, host),
        v6: Ipv6Addr::new(0xfd77, digits(subnet), 0, 0, 0, 0, 0, digits(host)),
        mac,
    }
}

/// MAC address of interface `interface` of the node numbered `node`; fixed, so that captures can be read.
pub(super) fn mac(node: u8, interface: u8) -> [u8; 6] {
    [0x02, 0x4c, 0x42, 0x00, interface, node]
}

enum Node {
    Client,
    Balancer,
    Router,
    Backend(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_one_segment_share_a_subnet() {
        let layout = Layout::one_arm(2);
        assert_eq!(layout.nodes(), ["client", "lb", "be1", "be2"]);
        let be2 = layout.addresses("be2").unwrap();
        assert_eq!(be2.v4.to_string(), "10.77.0.12");
        assert_eq!(be2.v6.to_string(), "fd77::12");
    }

    #[test]
    fn backends_with_two_arms_have_a_subnet_each() {
        let be12 = Layout::two_arm(12).addresses("be12").unwrap();
        assert_eq!(be12.v4.to_string(), "10.77.12.2");
        assert_eq!(be12.v6.to_string(), "fd77:12::2");
    }

    #[test]
    fn the_balancer_is_at_work_where_answers_pass_it() {
        assert_eq!(Layout::two_arm(2).balancer_interfaces(), ["eth0"]);
        let two_arm = Layout::two_arm(2).ordinary();
        assert_eq!(two_arm.balancer_interfaces(), ["eth0", "eth1", "eth2"]);
        let one_arm = Layout::one_arm(2).ordinary();
        assert_eq!(one_arm.balancer_interfaces(), ["eth0"]);
        let routed = Layout::routed(2).ordinary();
        assert_eq!(routed.balancer_interfaces(), ["eth0", "eth1"]);
        assert!(two_arm.holds_vips("lb") && !two_arm.holds_vips("be1"));
        assert!(!Layout::routed(1).holds_vips("lb") && Layout::routed(1).holds_vips("be1"));
    }

    #[test]
    fn an_unknown_node_is_refused_with_the_known_ones() {
        let error = Layout::one_arm(1).addresses("be2").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no node `be2` in this lab; it has client, lb, be1"
        );
    }
}
