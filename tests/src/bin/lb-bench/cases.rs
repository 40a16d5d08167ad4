//! What is measured.

mod list;

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use lb_common::Reason;
use lb_tests::frames::{Segment, tagged, tcp};

use super::{rig::Key, target::Target};

pub use list::{YARDSTICK, all};

/// Bytes of every frame.
pub const FRAME: usize = 80;
/// First byte of the addresses of IPv4 clients.
pub const CLIENTS: u8 = 10;
/// The same of those that only send SYNs.
const STRANGERS: u8 = 11;

/// The cases whose name contains one of `wanted`, and those they are compared with; all where nothing is wanted.
///
/// # Errors
/// Where there are none.
pub fn chosen(most: u32, wanted: &[String]) -> Result<Vec<Case>> {
    let all = all(most);
    if wanted.is_empty() {
        return Ok(all);
    }
    let is_wanted = |case: &&Case| wanted.iter().any(|part| case.name.contains(part));
    let mut names: Vec<&str> = all.iter().take(2).map(|case| case.name).collect();
    names.push(YARDSTICK);
    let mut found = false;
    for case in all.iter().filter(is_wanted) {
        found = true;
        names.push(case.name);
        names.extend(case.reference);
        names.extend(case.targets.iter().filter_map(Target::other));
    }
    ensure!(found, "no case is called anything like {wanted:?}");
    Ok(all
        .into_iter()
        .filter(|case| names.contains(&case.name))
        .collect())
}

/// One case: a frame, over a number of flows, and what becomes of it.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Whose tables.
    pub rig: Key,
    /// Which program.
    pub program: Program,
    /// The frame; its client's address and port are numbered by flow, its VIP by service.
    pub frame: Vec<u8>,
    /// What the frame looks like.
    pub shape: Shape,
    /// What is known of its flows.
    pub work: Work,
    /// Number of flows of each CPU, a power of two.
    pub flows: u32,
    /// How many CPUs work at once.
    pub cpus: u32,
    /// Whose packets are measured.
    pub sender: Sender,
    /// Whether the sequence number differs from packet to packet.
    pub renumber: bool,
    /// What the packets are counted as, each of them.
    pub counted: Counted,
    /// The case whose reference it is compared with: its own name where the reference does the same.
    pub reference: Option<&'static str>,
    /// What it has to reach.
    pub targets: Vec<Target>,
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

/// What is known of a case's flows when their packets come.
#[derive(Clone, PartialEq, Eq)]
pub enum Work {
    /// Nothing, and nothing needs to be.
    Plain,
    /// They are open, by this frame of each, and had a packet a moment ago.
    Open(Vec<u8>),
    /// Each packet begins one, and there is room for it.
    New,
    /// Each packet begins one, and another must go.
    Full,
    /// Each packet is a SYN that nothing follows, while other flows are open.
    Flood {
        /// How many are open.
        open: u32,
        /// A frame that each of them was opened with.
        opening: Vec<u8>,
        /// A frame of each that follows.
        following: Vec<u8>,
    },
}

/// Whose packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The clients'.
    Client,
    /// A backend's answers to the one flow, as they follow from what was sent to it.
    Backend,
}

/// How lb's counters prove that the packets took the way that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// They are not asked.
    Not,
    /// For this reason.
    As(Reason),
    /// As forwarded to some backend.
    Forwarded,
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
    /// A packet of one flow, which nothing is known of.
    fn of(rig: Key, name: &'static str, vip: &str, flags: &'static str, shape: Shape) -> Self {
        Self {
            name,
            rig,
            program: Program::Lb,
            frame: frame(CLIENTS, vip, flags, shape),
            shape,
            work: Work::Plain,
            flows: 1,
            cpus: 1,
            sender: Sender::Client,
            renumber: false,
            counted: Counted::As(Reason::FlowHit),
            reference: None,
            targets: Vec::new(),
        }
    }

    /// Packets of open flows.
    fn open(rig: Key, name: &'static str, vip: &str, shape: Shape, flows: u32) -> Self {
        Self {
            work: Work::Open(frame(CLIENTS, vip, "S", shape)),
            flows,
            ..Self::of(rig, name, vip, "A", shape)
        }
    }

    /// The same, which the reference does too.
    fn compared(self, target: Target) -> Self {
        Self {
            reference: Some(self.name),
            ..self
        }
        .reaching(target)
    }

    /// The same, which has to reach this too.
    fn reaching(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }
}

/// A frame of [`FRAME`] bytes, which its data fills.
fn frame(network: u8, vip: &str, flags: &'static str, shape: Shape) -> Vec<u8> {
    let vip: SocketAddr = vip.parse().unwrap_or_else(|error| panic!("{vip}: {error}"));
    let client: SocketAddr = if shape.is_v6 {
        ([0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0], 0).into()
    } else {
        ([network, 0, 0, 0], 0).into()
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
