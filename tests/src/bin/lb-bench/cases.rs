//! What is measured.

use std::net::SocketAddr;

use lb_common::Reason;
use lb_tests::frames::{Segment, tagged, tcp};

/// Bytes of every frame.
pub const FRAME: usize = 80;

/// One case: a frame, over a number of flows, and what becomes of it.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Which program.
    pub program: Program,
    /// The frame; its client's address and port are numbered by flow.
    pub frame: Vec<u8>,
    /// What the frame looks like.
    pub shape: Shape,
    /// A frame that every flow is opened with before the first round.
    pub opening: Option<Vec<u8>>,
    /// Number of flows, a power of two.
    pub flows: u32,
    /// Whose packets are measured.
    pub sender: Sender,
    /// Whether the sequence number differs from packet to packet.
    pub renumber: bool,
    /// What the packets are counted as, each of them.
    pub reason: Option<Reason>,
}

/// A program under test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// XDP_TX, nothing touched.
    Empty,
    /// Room for an outer header, nothing else.
    Room,
    /// lb.
    Lb,
}

/// Whose packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The clients'.
    Client,
    /// A backend's answers to the one flow, as they follow from what was sent to it.
    Backend,
}

/// What the headers of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// IPv6, else IPv4.
    pub is_v6: bool,
    /// One VLAN tag.
    pub is_tagged: bool,
}

const PLAIN: Shape = Shape {
    is_v6: false,
    is_tagged: false,
};
const V6: Shape = Shape {
    is_v6: true,
    ..PLAIN
};
const TAGGED: Shape = Shape {
    is_tagged: true,
    ..PLAIN
};

impl Case {
    /// All of them; the first is the one that the others are compared with.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self {
                program: Program::Empty,
                reason: None,
                ..Self::of("empty program", "192.0.2.10:80", "A", PLAIN)
            },
            Self {
                reason: Some(Reason::NoService),
                ..Self::of("passed: not a service", "192.0.2.99:80", "A", PLAIN)
            },
            Self {
                program: Program::Room,
                reason: None,
                ..Self::of(
                    "room for an outer header, alone",
                    "192.0.2.10:80",
                    "A",
                    PLAIN,
                )
            },
        ];
        all.extend(established());
        all.extend(answers());
        all.extend(begun());
        all
    }

    fn of(name: &'static str, vip: &str, flags: &'static str, shape: Shape) -> Self {
        Self {
            name,
            program: Program::Lb,
            frame: frame(vip, flags, shape),
            shape,
            opening: None,
            flows: 1,
            sender: Sender::Client,
            renumber: false,
            reason: Some(Reason::FlowHit),
        }
    }

    fn established(name: &'static str, vip: &str, shape: Shape, flows: u32) -> Self {
        Self {
            opening: Some(frame(vip, "S", shape)),
            flows,
            ..Self::of(name, vip, "A", shape)
        }
    }
}

/// Packets of open flows, every way of forwarding.
fn established() -> Vec<Case> {
    const MANY: u32 = 65_536;
    let case = Case::established;
    vec![
        case("direct return", "192.0.2.10:80", PLAIN, 1),
        case("direct return, 65,536 flows", "192.0.2.10:80", PLAIN, MANY),
        case("direct return, IPv6", "[2001:db8::10]:80", V6, 1),
        case("direct return, VLAN", "192.0.2.10:80", TAGGED, 1),
        case("nat", "192.0.2.30:80", PLAIN, 1),
        case("nat, 65,536 flows", "192.0.2.30:80", PLAIN, MANY),
        case("nat, IPv6", "[2001:db8::30]:80", V6, 1),
        case("nat, VLAN", "192.0.2.30:80", TAGGED, 1),
        case("nat, IPv4 to IPv6", "192.0.2.70:80", PLAIN, 1),
        case("nat, IPv6 to IPv4", "[2001:db8::70]:80", V6, 1),
        case("ipip", "192.0.2.40:80", PLAIN, 1),
        case("ipip, 65,536 flows", "192.0.2.40:80", PLAIN, MANY),
        case("ipip, IPv6", "[2001:db8::40]:80", V6, 1),
        case("ipip, VLAN", "192.0.2.40:80", TAGGED, 1),
        case("gue", "192.0.2.50:80", PLAIN, 1),
        case("gue, IPv6", "[2001:db8::50]:80", V6, 1),
        Case {
            reason: Some(Reason::FlowFallback),
            ..Case::of(
                "mid-flow without entry, maglev",
                "192.0.2.60:80",
                "A",
                PLAIN,
            )
        },
    ]
}

/// Answers of backends whose address is translated.
fn answers() -> Vec<Case> {
    let case = |name, vip, shape| Case {
        sender: Sender::Backend,
        reason: Some(Reason::FlowReply),
        ..Case::established(name, vip, shape, 1)
    };
    vec![
        case("nat, answer", "192.0.2.30:80", PLAIN),
        case("nat, answer, IPv6", "[2001:db8::30]:80", V6),
    ]
}

/// First packets, and those that nobody takes.
fn begun() -> Vec<Case> {
    let begun = |name, vip| Case {
        opening: Some(frame(vip, "S", PLAIN)),
        renumber: true,
        reason: Some(Reason::FlowReused),
        ..Case::of(name, vip, "S", PLAIN)
    };
    vec![
        begun("new flow on a used five-tuple", "192.0.2.11:80"),
        begun("new flow on a used five-tuple, ipip", "192.0.2.41:80"),
        Case {
            flows: 1 << 28,
            reason: Some(Reason::FlowNew),
            ..Case::of(
                "new flow, table full, one evicted each",
                "192.0.2.10:80",
                "S",
                PLAIN,
            )
        },
        Case {
            reason: Some(Reason::ResetNoFlow),
            ..Case::of("answered with a reset", "192.0.2.20:80", "A", PLAIN)
        },
    ]
}

/// A frame of [`FRAME`] bytes, which its data fills.
fn frame(vip: &str, flags: &'static str, shape: Shape) -> Vec<u8> {
    let vip: SocketAddr = vip.parse().unwrap_or_else(|error| panic!("{vip}: {error}"));
    let client: SocketAddr = if shape.is_v6 {
        ([0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0], 0).into()
    } else {
        ([10, 0, 0, 0], 0).into()
    };
    let with = |payload: &[u8]| {
        let frame = tcp(client, vip, &Segment::new(flags).with(payload));
        if shape.is_tagged {
            tagged(&frame, &[100])
        } else {
            frame
        }
    };
    let bare = with(&[]).len();
    with(&vec![0; FRAME - bare])
}
