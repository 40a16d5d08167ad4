//! What is measured.

use lb_common::Reason;
use lb_tests::frames::{Segment, tcp};

/// One case: a frame, over a number of flows, and what becomes of it.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Which program.
    pub program: Program,
    /// The frame; its client's address and port are numbered by flow.
    pub frame: Vec<u8>,
    /// A frame that every flow is opened with before the first round.
    pub opening: Option<Vec<u8>>,
    /// Number of flows, a power of two.
    pub flows: u32,
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

impl Case {
    /// All of them; the first is the one that the others are compared with.
    pub fn all() -> Vec<Self> {
        let syn = frame("192.0.2.10:80", "S");
        let ack = frame("192.0.2.10:80", "A");
        let established_at = |name, vip, flows| Self {
            name,
            program: Program::Lb,
            frame: frame(vip, "A"),
            opening: Some(frame(vip, "S")),
            flows,
            renumber: false,
            reason: Some(Reason::FlowHit),
        };
        let established = |name, flows| established_at(name, "192.0.2.10:80", flows);
        let begun = |name, vip| Self {
            name,
            program: Program::Lb,
            frame: frame(vip, "S"),
            opening: Some(frame(vip, "S")),
            flows: 1,
            renumber: true,
            reason: Some(Reason::FlowReused),
        };
        vec![
            Self {
                name: "empty program",
                program: Program::Empty,
                frame: ack.clone(),
                opening: None,
                flows: 1,
                renumber: false,
                reason: None,
            },
            Self {
                name: "passed: not a service",
                program: Program::Lb,
                frame: frame("192.0.2.99:80", "A"),
                opening: None,
                flows: 1,
                renumber: false,
                reason: Some(Reason::NoService),
            },
            Self {
                name: "room for an outer header, alone",
                program: Program::Room,
                frame: ack.clone(),
                opening: None,
                flows: 1,
                renumber: false,
                reason: None,
            },
            established("established, direct return, 1 flow", 1),
            established("established, direct return, 65,536 flows", 65_536),
            established_at("established, nat, 1 flow", "192.0.2.30:80", 1),
            established_at("established, nat, 65,536 flows", "192.0.2.30:80", 65_536),
            established_at("established, ipip, 1 flow", "192.0.2.40:80", 1),
            established_at("established, ipip, 65,536 flows", "192.0.2.40:80", 65_536),
            established_at("established, gue, 1 flow", "192.0.2.50:80", 1),
            Self {
                name: "mid-flow without entry, maglev",
                program: Program::Lb,
                frame: frame("192.0.2.60:80", "A"),
                opening: None,
                flows: 1,
                renumber: false,
                reason: Some(Reason::FlowFallback),
            },
            begun("new flow on a used five-tuple", "192.0.2.11:80"),
            begun("new flow on a used five-tuple, ipip", "192.0.2.41:80"),
            Self {
                name: "new flow, table full, one evicted each",
                program: Program::Lb,
                frame: syn,
                opening: None,
                flows: 1 << 28,
                renumber: false,
                reason: Some(Reason::FlowNew),
            },
            Self {
                name: "answered with a reset",
                program: Program::Lb,
                frame: frame("192.0.2.20:80", "A"),
                opening: None,
                flows: 1,
                renumber: false,
                reason: Some(Reason::ResetNoFlow),
            },
        ]
    }
}

fn frame(destination: &str, flags: &'static str) -> Vec<u8> {
    let socket = |text: &str| {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    tcp(
        socket("10.0.0.0:0"),
        socket(destination),
        &Segment::new(flags),
    )
}
