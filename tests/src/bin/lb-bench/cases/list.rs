//! The cases, in the order of the report.

use lb_common::{Reason, maps::MAX_SERVICES};

use super::{CLIENTS, Case, Counted, PLAIN, Program, STRANGERS, Sender, TAGGED, V6, Work, frame};
use crate::{layout::Layout, rig::Key, target::Target};

/// The case whose reference stands for all that the reference cannot do.
pub const YARDSTICK: &str = "direct return";

/// Flows of the cases with many, and with very many.
const MANY: u32 = 65_536;
const MOST: u32 = 1 << 20;
/// Flows that no round comes to the end of.
const ENDLESS: u32 = 1 << 28;
/// Places of the table that is always full.
const TIGHT: u32 = 65_536;

/// All of them, with at most so many flows, services and backends each. The first two, nothing touched on one CPU and on
/// two, are what the others are compared with.
pub fn all(most: u32) -> Vec<Case> {
    let lists = [
        floors(),
        DIRECT.open(most),
        stateless(most),
        IPIP.open(most),
        NAT.open(most),
        rest(),
        begun(most),
        scale(most),
        pairs(most),
    ];
    lists.into_iter().flatten().collect()
}

/// The tables of a case that has them for itself, with so many entries in use: a quarter of them, so that each flow can have
/// its place.
const fn rig(name: &'static str, layout: Layout, entries: u32) -> Key {
    let room = if entries > TIGHT / 4 {
        4 * entries
    } else {
        TIGHT
    };
    Key { name, layout, room }
}

/// The tables of all that have one flow.
const ONE: Key = rig("one flow each", Layout::Ways, 0);

/// The tables that flows begin in, which are emptied before each round.
fn fresh(most: u32) -> Key {
    rig("new", Layout::Ways, (1 << 18).min(most))
}

/// What costs without lb, and what is none of lb's.
fn floors() -> Vec<Case> {
    let bare = |name, program| Case {
        program,
        counted: Counted::Not,
        ..Case::of(ONE, name, "192.0.2.10:80", "A", PLAIN)
    };
    vec![
        bare("empty program", Program::Empty),
        Case {
            cpus: 2,
            ..bare("empty program, two CPUs", Program::Empty)
        },
        bare("room for an outer header, alone", Program::Room),
        Case {
            counted: Counted::As(Reason::NoService),
            ..Case::of(ONE, "passed: not a service", "192.0.2.99:80", "A", PLAIN)
        }
        .reaching(Target::Ns(8.0)),
    ]
}

/// A way of forwarding: its addresses, what its cases are called, entries per flow, and the part of the reference's cost
/// that it may have at one flow, at many and at very many.
struct Way {
    vips: [&'static str; 2],
    names: [&'static str; 5],
    entries: u32,
    bounds: [f64; 3],
}

impl Way {
    /// Open flows: one, many, very many; one over IPv6, one on a VLAN.
    fn open(&self, most: u32) -> Vec<Case> {
        let [v4, v6] = self.vips;
        let [one, many, very_many, over_v6, tagged] = self.names;
        let tracked = |name, flows: u32, bound| {
            let flows = flows.min(most);
            let rig = rig(name, Layout::Ways, self.entries * flows);
            Case::open(rig, name, v4, PLAIN, flows).compared(Target::OfReference(bound))
        };
        let beside =
            |name, vip, shape| Case::open(ONE, name, vip, shape, 1).reaching(Target::Of(one, 1.25));
        vec![
            Case::open(ONE, one, v4, PLAIN, 1).compared(Target::OfReference(self.bounds[0])),
            tracked(many, MANY, self.bounds[1]),
            tracked(very_many, MOST, self.bounds[2]),
            beside(over_v6, v6, V6),
            beside(tagged, v4, TAGGED),
        ]
    }
}

const DIRECT: Way = Way {
    vips: ["192.0.2.10:80", "[2001:db8::10]:80"],
    names: [
        YARDSTICK,
        "direct return, 65,536 flows",
        "direct return, 1,048,576 flows",
        "direct return, IPv6",
        "direct return, VLAN",
    ],
    entries: 1,
    bounds: [0.25, 0.25, 0.25],
};
const IPIP: Way = Way {
    vips: ["192.0.2.40:80", "[2001:db8::40]:80"],
    names: [
        "ipip",
        "ipip, 65,536 flows",
        "ipip, 1,048,576 flows",
        "ipip, IPv6",
        "ipip, VLAN",
    ],
    entries: 1,
    bounds: [0.5, 0.45, 0.75],
};
const NAT: Way = Way {
    vips: ["192.0.2.30:80", "[2001:db8::30]:80"],
    names: [
        "nat",
        "nat, 65,536 flows",
        "nat, 1,048,576 flows",
        "nat, IPv6",
        "nat, VLAN",
    ],
    entries: 2,
    bounds: [0.5, 0.45, 0.75],
};

/// Packets in mid-flow whose backend a consistent scheduler names.
fn stateless(most: u32) -> Vec<Case> {
    let very_many = MOST.min(most);
    let [one, _, most_of_them, ..] = DIRECT.names;
    let case = |rig, name, flows, reference| Case {
        flows,
        counted: Counted::As(Reason::FlowFallback),
        reference: Some(reference),
        targets: vec![Target::OfReference(0.25)],
        ..Case::of(rig, name, "192.0.2.60:80", "A", PLAIN)
    };
    vec![
        case(ONE, "maglev, not remembered", 1, one),
        case(
            rig(most_of_them, Layout::Ways, very_many),
            "maglev, not remembered, 1,048,576 flows",
            very_many,
            most_of_them,
        )
        .reaching(Target::Of("maglev, not remembered", 1.3)),
    ]
}

/// What has no target of its own.
fn rest() -> Vec<Case> {
    let open = |name, vip, shape| Case::open(ONE, name, vip, shape, 1);
    let answer = |name, vip, shape| Case {
        sender: Sender::Backend,
        counted: Counted::As(Reason::FlowReply),
        ..open(name, vip, shape)
    };
    vec![
        answer("nat, answer", "192.0.2.30:80", PLAIN),
        answer("nat, answer, IPv6", "[2001:db8::30]:80", V6),
        open("nat, IPv4 to IPv6", "192.0.2.70:80", PLAIN),
        open("nat, IPv6 to IPv4", "[2001:db8::70]:80", V6),
        open("gue", "192.0.2.50:80", PLAIN),
        open("gue, IPv6", "[2001:db8::50]:80", V6),
        Case {
            counted: Counted::As(Reason::ResetNoFlow),
            ..Case::of(ONE, "answered with a reset", "192.0.2.20:80", "A", PLAIN)
        },
    ]
}

/// First packets.
fn begun(most: u32) -> Vec<Case> {
    const VIP: &str = "192.0.2.10:80";
    let many = MANY.min(most);
    let begun = |name, vip| Case {
        work: Work::Open(frame(CLIENTS, vip, "S", PLAIN)),
        renumber: true,
        counted: Counted::As(Reason::FlowReused),
        ..Case::of(ONE, name, vip, "S", PLAIN)
    };
    let new = |rig, name, work| Case {
        work,
        flows: ENDLESS,
        counted: Counted::As(Reason::FlowNew),
        ..Case::of(rig, name, VIP, "S", PLAIN)
    };
    let full = Key {
        name: "full",
        layout: Layout::Ways,
        room: TIGHT,
    };
    let flood = rig("flood", Layout::Ways, many);
    vec![
        new(fresh(most), "new flow", Work::New).compared(Target::OfReference(0.45)),
        new(full, "new flow, table full", Work::Full).compared(Target::OfReference(0.45)),
        begun("new flow on a used five-tuple", "192.0.2.11:80"),
        begun("new flow on a used five-tuple, ipip", "192.0.2.41:80"),
        Case {
            frame: frame(STRANGERS, VIP, "S", PLAIN),
            flows: ENDLESS,
            work: Work::Flood {
                open: many,
                opening: frame(CLIENTS, VIP, "S", PLAIN),
                following: frame(CLIENTS, VIP, "A", PLAIN),
            },
            counted: Counted::Forwarded,
            ..Case::of(flood, "SYN flood beside 65,536 open flows", VIP, "S", PLAIN)
        }
        .reaching(Target::Of("direct return, 65,536 flows", 1.5))
        .reaching(Target::NoneLost),
    ]
}

/// Many services, many backends.
fn scale(most: u32) -> Vec<Case> {
    const VIP: &str = "198.18.0.0:80";
    let many = MANY.min(most);
    let case = |name, layout| Case {
        counted: Counted::Forwarded,
        ..Case::open(rig(name, layout, many), name, VIP, PLAIN, many)
    };
    let services = |name, number: u32| case(name, Layout::Services(number.min(most)));
    let backends = |name, number: u32| case(name, Layout::Backends(number.min(most)));
    let (few_services, few_backends) = ("1 service, 65,536 flows", "2 backends, 65,536 flows");
    let compared = |case: Case| Case {
        reference: Some(case.name),
        ..case
    };
    vec![
        compared(services(few_services, 1)),
        compared(services("64 services, 65,536 flows", 64)),
        // Number 0 stands for none.
        compared(services("4,095 services, 65,536 flows", MAX_SERVICES - 1))
            .reaching(Target::Of(few_services, 2.5)),
        compared(backends(few_backends, 2)),
        compared(backends("100 backends, 65,536 flows", 100)),
        compared(backends("10,000 backends, 65,536 flows", 10_000))
            .reaching(Target::Of(few_backends, 1.3)),
    ]
}

/// The same on one CPU and on two at once.
fn pairs(most: u32) -> Vec<Case> {
    const VIP: &str = "192.0.2.10:80";
    let many = MANY.min(most);
    let open = rig("two CPUs, open", Layout::Ways, 2 * many);
    let new = fresh(most);
    let (one_open, one_new) = ("direct return, one CPU of two", "new flow");
    let both = |case: Case, one| Case { cpus: 2, ..case }.reaching(Target::Packets(one, 1.9));
    vec![
        Case::open(open, one_open, VIP, PLAIN, many),
        both(
            Case::open(open, "direct return, two CPUs", VIP, PLAIN, many),
            one_open,
        ),
        both(
            Case {
                work: Work::New,
                flows: ENDLESS,
                counted: Counted::As(Reason::FlowNew),
                ..Case::of(new, "new flow, two CPUs", VIP, "S", PLAIN)
            },
            one_new,
        ),
    ]
}
