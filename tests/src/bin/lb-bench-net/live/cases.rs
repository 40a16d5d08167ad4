//! What is measured.

use std::net::SocketAddr;

use lb_tests::frames::{Segment, tcp};

/// Bytes of every frame: the shortest that Ethernet has.
pub const FRAME: usize = 64;
/// The case that the others are compared with.
pub const NULL: &str = "null, XDP_TX";
/// The kernel's own forwarding.
pub const FORWARDING: &str = "kernel forwarding, 64k flows";
const NFTABLES: [&str; 2] = ["nftables DNAT, 1 flow", "nftables DNAT, 64k flows"];

/// What forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// XDP_TX, nothing touched.
    Null,
    /// lb.
    Lb,
    /// nftables: DNAT to one of two backends in turn.
    Nftables,
    /// The kernel, by its routes.
    Forwarding,
}

/// One case: a frame, over a number of flows, and what becomes of it.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What forwards.
    pub kind: Kind,
    /// The frame; its client's port is numbered by flow.
    pub frame: Vec<u8>,
    /// A frame that every flow is opened with before the first round.
    pub opening: Option<Vec<u8>>,
    /// Number of flows, a power of two.
    pub flows: u32,
    /// Bytes of the frame that arrives.
    pub length: usize,
    /// What lb counts the packets as, each of them.
    pub reason: Option<&'static str>,
}

/// As many as there are ports.
const MANY: u32 = 65_536;

impl Case {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let [nftables_one, nftables_many] = NFTABLES;
        vec![
            Self::other(NULL, Kind::Null, "192.0.2.10:80", MANY),
            Self::stateless("lb direct return, stateless, 64k flows", "192.0.2.10:80", 0),
            Self::tracked("lb direct return, tracked, 1 flow", "192.0.2.11:80", 1, 0),
            Self::tracked(
                "lb direct return, tracked, 64k flows",
                "192.0.2.11:80",
                MANY,
                0,
            ),
            Self::stateless("lb IPIP, stateless, 64k flows", "192.0.2.12:80", OUTER),
            Self::tracked("lb IPIP, tracked, 64k flows", "192.0.2.13:80", MANY, OUTER),
            Self::tracked("lb NAT, tracked, 64k flows", "192.0.2.14:80", MANY, 0),
            Self::other(nftables_one, Kind::Nftables, "192.0.2.10:80", 1),
            Self::other(nftables_many, Kind::Nftables, "192.0.2.10:80", MANY),
            Self::other(FORWARDING, Kind::Forwarding, "10.77.0.11:80", MANY),
        ]
    }

    /// The case in which nftables has as many flows.
    pub const fn nftables(&self) -> &'static str {
        NFTABLES[(self.flows != 1) as usize]
    }

    fn other(name: &'static str, kind: Kind, to: &str, flows: u32) -> Self {
        Self {
            name,
            kind,
            frame: frame(to, "A"),
            opening: None,
            flows,
            length: FRAME,
            reason: None,
        }
    }

    /// A flow that lb chooses the backend of by its hash, each packet anew.
    fn stateless(name: &'static str, to: &str, added: usize) -> Self {
        Self {
            length: FRAME + added,
            reason: Some("flow_fallback"),
            ..Self::other(name, Kind::Lb, to, MANY)
        }
    }

    /// A flow that lb remembers the backend of.
    fn tracked(name: &'static str, to: &str, flows: u32, added: usize) -> Self {
        Self {
            opening: Some(frame(to, "S")),
            length: FRAME + added,
            reason: Some("flow_hit"),
            ..Self::other(name, Kind::Lb, to, flows)
        }
    }
}

/// Bytes of an outer IPv4 header.
const OUTER: usize = 20;

/// A frame of [`FRAME`] bytes from port 0 of the client.
fn frame(to: &str, flags: &'static str) -> Vec<u8> {
    let to: SocketAddr = to.parse().unwrap_or_else(|error| panic!("{to}: {error}"));
    let client = SocketAddr::from(([10, 77, 0, 1], 0));
    let with = |payload: &[u8]| tcp(client, to, &Segment::new(flags).with(payload));
    let bare = with(&[]).len();
    with(&vec![0; FRAME - bare])
}
