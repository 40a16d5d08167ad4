//! Tunnels through the whole road, in both engines: what leaves is read by another library, which verifies every
//! checksum, and what travels inside is the client's packet to the last byte.

#[allow(dead_code, reason = "each story uses some of it")]
mod story;
#[allow(dead_code, reason = "each story uses some of it")]
mod told;

use std::{collections::BTreeSet, thread, time::Duration};

use lb_agent::dataplane::Dataplane as _;
use lb_common::{Backend, Control, Map, Reason, memory::read};
use lb_ebpf::{testing::HostPacket, verdict::Verdict};
use lb_tests::{
    decoded::{Transport, quoted},
    engines::INGRESS,
    frames::{self, Segment, marked},
};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use story::{Story, socket};
use told::send;

const CLIENTS: [&str; 2] = ["198.51.100.7:40000", "[2001:db8:c::7]:40000"];
/// VIPs whose backend is reached over IPv4, over IPv6.
const WEB: [[&str; 2]; 2] = [
    ["192.0.2.10:80", "[2001:db8::10]:80"],
    ["192.0.2.11:80", "[2001:db8::11]:80"],
];
const DNS: [[&str; 2]; 2] = [
    ["192.0.2.10:53", "[2001:db8::10]:53"],
    ["192.0.2.11:53", "[2001:db8::11]:53"],
];
const TAGS: [&[(u16, u16)]; 3] = [&[], &[(0x8100, 100)], &[(0x88a8, 100), (0x8100, 200)]];

/// One service whose backend has an IPv4 address and one whose has an IPv6 address.
fn config(forward: &str) -> String {
    let service = |name: &str, last: u8, backend: &str| {
        format!(
            r#"
            [[service]]
            name = "{name}"
            listen = ["192.0.2.{last}:80/tcp", "[2001:db8::{last}]:80/tcp", "192.0.2.{last}:53/udp", "[2001:db8::{last}]:53/udp"]
            {forward}
            [[service.backend]]
            name = "over-{name}"
            address = "{backend}"
            "#
        )
    };
    format!(
        "[[interface]]\nname = \"lo\"\n{}{}",
        service("ipv4", 10, "10.0.1.11"),
        service("ipv6", 11, "2001:db8:1::12")
    )
}

/// The IP packet in a frame without tags.
fn packet(frame: &[u8]) -> &[u8] {
    &frame[14..]
}

/// A client's first packets over both families, to both backends.
fn journeys(forward: &str) -> Story {
    let mut story = told::story(&config(forward), 64);
    for outer in 0..2 {
        for inner in 0..2 {
            let (client, web) = (socket(CLIENTS[inner]), socket(WEB[outer][inner]));
            let syn = Segment {
                options: true,
                ..Segment::new("S")
            };
            let data = Segment::new("PA").at(1001).with(b"GET / HTTP/1.1\r\n\r\n");
            for (what, frame) in [
                ("SYN", frames::tcp(client, web, &syn)),
                ("ACK", frames::tcp(client, web, &Segment::new("A").at(1001))),
                (
                    "data, an odd number of bytes",
                    frames::tcp(client, web, &data.with(b"odd")),
                ),
                (
                    "marked AF41, ECT(0)",
                    marked(&frames::tcp(client, web, &Segment::new("A").at(1004)), 0x8a),
                ),
                (
                    "datagram",
                    frames::udp(client, socket(DNS[outer][inner]), b"question"),
                ),
                (
                    "datagram, CE",
                    marked(
                        &frames::udp(client, socket(DNS[outer][inner]), b"question"),
                        0x03,
                    ),
                ),
            ] {
                let sent = story.send(&format!("{what} {client} > {web}"), &frame);
                let decoded = sent.frame();
                assert_eq!(decoded.packets.len(), 2, "{what}: {decoded}");
                assert_eq!(
                    decoded.inner().bytes,
                    packet(&frame),
                    "{what}: the packet changed"
                );
                assert_eq!(decoded.outer().traffic_class, decoded.inner().traffic_class);
            }
        }
    }
    story
}

#[test]
fn ip_in_ip_over_both_families() {
    insta::assert_snapshot!(journeys("forward = \"ipip\"").told());
}

#[test]
fn gue_variant_1_over_both_families() {
    insta::assert_snapshot!(journeys("forward = \"gue\"").told());
}

#[test]
fn gue_variant_0_over_both_families() {
    insta::assert_snapshot!(journeys("forward = \"gue\"\ngue_variant = 0\ntunnel_hops = 9").told());
}

#[test]
fn vlan_tags_stay_outside_the_tunnel() {
    for forward in ["forward = \"ipip\"", "forward = \"gue\""] {
        let story = told::story(&config(forward), 64);
        let world = &story.world;
        for (port, came) in (1..).zip(TAGS) {
            for (number, left) in TAGS.iter().enumerate() {
                let client = socket(&format!("198.51.100.7:{}", 1000 * port + number));
                for outer in 0..2 {
                    let name = ["over-ipv4", "over-ipv6"][outer];
                    let mut tags = [0; 2];
                    for (tag, (_, vlan)) in tags.iter_mut().zip(*left) {
                        *tag = vlan.to_be();
                    }
                    world.change::<Backend>(
                        Map::Backends,
                        world.backend_number(name).into(),
                        |b| {
                            b.tags = tags;
                        },
                    );
                    for flags in ["S", "A", "A"] {
                        let frame =
                            frames::tcp(client, socket(WEB[outer][0]), &Segment::new(flags));
                        let sent = send(world, &tagged(&frame, came));
                        assert_eq!(sent.frame().tags, **left, "{came:?} > {left:?}");
                        assert_eq!(sent.frame().inner().bytes, packet(&frame));
                    }
                }
            }
        }
    }
}

#[test]
fn one_flow_has_one_entropy_and_flows_differ() {
    for (forward, outer) in [("forward = \"gue\"", 0), ("forward = \"ipip\"", 1)] {
        let story = told::story(&config(forward), 256);
        let mut seen = BTreeSet::new();
        for port in 40_000..40_032 {
            let client = socket(&format!("198.51.100.7:{port}"));
            let entropy: BTreeSet<(u16, u32)> = ["S", "A", "PA", "FA", "A"]
                .map(|flags| {
                    let frame = frames::tcp(client, socket(WEB[outer][0]), &Segment::new(flags));
                    let sent = send(&story.world, &frame);
                    let packet = sent.frame().outer();
                    match packet.transport {
                        Transport::Gue { port, .. } => (port, packet.label),
                        _ => (0, packet.label),
                    }
                })
                .into();
            assert_eq!(entropy.len(), 1, "port {port}: {entropy:?}");
            seen.extend(entropy);
        }
        assert!(
            seen.len() > 30,
            "32 flows look like {}: {seen:?}",
            seen.len()
        );
        assert!(seen.iter().all(|(port, _)| *port == 0 || *port >= 49_152));
    }
}

/// The longest packet that fits, and one byte more: which is answered as a router would.
fn too_big(forward: &str, room: [usize; 2]) -> Story {
    let mut story = told::story(&config(&format!("{forward}\nmtu = 1400")), 64);
    for outer in 0..2 {
        for inner in 0..2 {
            let (client, web) = (socket(CLIENTS[inner]), socket(WEB[outer][inner]));
            let headers = [40, 60][inner];
            let fits = 1400 - room[outer] - headers;
            let segment = |len| Segment::new("A").with(&vec![7; len]);
            send(
                &story.world,
                &frames::tcp(client, web, &Segment::new("S").at(999)),
            );
            let sent = story.send(
                &format!("as long as fits {client} > {web}"),
                &frames::tcp(client, web, &segment(fits)),
            );
            assert_eq!(sent.frame().outer().bytes.len(), 1400);
            for tags in TAGS {
                let frame = tagged(&frames::tcp(client, web, &segment(fits + 1)), tags);
                let sent = story.send(&format!("a byte too long {client} > {web}"), &frame);
                assert_eq!(
                    (sent.seen.verdict, sent.seen.reason),
                    (Verdict::Tx, Reason::TooBig)
                );
                let decoded = sent.frame();
                assert_eq!(decoded.tags, tags);
                assert_eq!(
                    (decoded.to, decoded.from),
                    (frames::CLIENT_MAC, frames::OUR_MAC)
                );
                let error = decoded.inner();
                assert_eq!((error.source, error.destination), (web.ip(), client.ip()));
                let Transport::Icmp { kind, rest, body } = &error.transport else {
                    panic!("no ICMP: {decoded}");
                };
                assert_eq!(*kind, [[3, 4], [2, 0]][inner]);
                assert_eq!(*rest as usize, 1400 - room[outer]);
                assert_eq!(quoted(body), (client.ip(), web.ip()));
                assert_eq!(body[..], packet(&frame)[4 * tags.len()..][..body.len()]);
            }
        }
    }
    story
}

#[test]
fn what_does_not_fit_is_answered_with_what_does() {
    let ipip = too_big("forward = \"ipip\"", [20, 40]);
    insta::assert_snapshot!(ipip.told());
    too_big("forward = \"gue\"", [28, 48]);
    too_big("forward = \"gue\"\ngue_variant = 0", [32, 52]);
}

#[test]
fn a_cpu_sends_a_hundred_icmp_messages_in_a_tenth_of_a_second() {
    const MORE: usize = 130;
    let story = told::story(&config("forward = \"ipip\"\nmtu = 600"), 64);
    let world = &story.world;
    let (client, web) = (socket(CLIENTS[0]), socket(WEB[0][0]));
    send(world, &frames::tcp(client, web, &Segment::new("S")));
    let long = frames::tcp(client, web, &Segment::new("A").with(&[7; 600]));
    let expected: Vec<bool> = (0..MORE).map(|sent| sent < 100).collect();
    let control: Control = read(
        lb_common::memory::Memory::words(&*world.kernel, Map::Control),
        0,
    )
    .expect("there is one control record");
    let tenth = control.hz / 10;

    // On the host time stands still until it is moved.
    let answered = |_| {
        let mut packet = HostPacket {
            bytes: long.clone(),
            ingress: INGRESS,
        };
        let outcome = world.host.run(&mut packet);
        assert!(matches!(
            outcome.reason,
            Reason::TooBig | Reason::RateLimited
        ));
        assert_eq!(
            outcome.verdict == Verdict::Tx,
            outcome.reason == Reason::TooBig
        );
        outcome.reason == Reason::TooBig
    };
    world.host.now.set(world.host.now.get() + tenth);
    assert_eq!((0..MORE).map(answered).collect::<Vec<_>>(), expected);
    world.host.now.set(world.host.now.get() + tenth - 1);
    assert!(!answered(0), "the tenth of a second is not over");
    world.host.now.set(world.host.now.get() + 1);
    assert!(answered(0), "the tenth of a second is over");

    // In the kernel it runs on, and each CPU counts for itself: stay on one, and count only what went quickly.
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    sched_setaffinity(None, &here).expect("a thread may stay where it is");
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(150));
        let begun = world.kernel.now().expect("the kernel has a clock");
        let answers: Vec<bool> = (0..MORE)
            .map(|_| world.kernel.forward(&long).expect("the kernel takes it").0 == 3)
            .collect();
        let ended = world.kernel.now().expect("the kernel has a clock");
        if ended.wrapping_sub(begun) < tenth {
            assert_eq!(answers, expected);
            let counts = world.kernel.counts(1).expect("there are counters");
            assert!(counts[&Reason::RateLimited].packets >= 30);
            return;
        }
    }
    panic!("{MORE} packets never took less than a tenth of a second");
}

/// What the SYNs of a client say of their largest segment when they leave.
fn announced(story: &Story, outer: usize) -> [Option<u16>; 2] {
    [0, 1].map(|inner| {
        let syn = Segment {
            options: true,
            ..Segment::new("S")
        };
        let frame = frames::tcp(socket(CLIENTS[inner]), socket(WEB[outer][inner]), &syn);
        send(&story.world, &frame).frame().inner().mss()
    })
}

#[test]
fn a_syn_announces_what_fits() {
    for (forward, expected) in [
        ("forward = \"ipip\"", 1460),
        ("forward = \"ipip\"\nmss = 1200", 1200),
        ("forward = \"gue\"\nmss = 9000", 1460),
        ("forward = \"ipip\"\nmss = \"auto\"", 1500 - 60 - 40),
        ("forward = \"gue\"\nmss = \"auto\"", 1500 - 60 - 52),
        (
            "forward = \"gue\"\nmss = \"auto\"\nmtu = 1400",
            1400 - 60 - 52,
        ),
        ("forward = \"dsr\"\nmss = 536", 536),
    ] {
        // Direct return needs a backend of the service's families, which both backends are.
        let story = told::story(&config(forward), 64);
        for outer in 0..2 {
            assert_eq!(announced(&story, outer), [Some(expected); 2], "{forward}");
        }
    }
}

#[test]
fn a_syn_that_was_told_to_fit_fits() {
    let story = told::story(
        &config("forward = \"gue\"\ngue_variant = 0\nmss = \"auto\""),
        64,
    );
    for (outer, vips) in WEB.iter().enumerate() {
        let most = announced(&story, outer);
        for inner in 0..2 {
            let (client, web) = (socket(CLIENTS[inner]), socket(vips[inner]));
            let len = usize::from(most[inner].expect("a SYN announces a size"));
            let frame = frames::tcp(client, web, &Segment::new("A").with(&vec![1; len]));
            let sent = send(&story.world, &frame);
            assert_eq!(sent.seen.reason, Reason::FlowHit);
            assert!(sent.frame().outer().bytes.len() <= 1500);
        }
    }
}

#[test]
fn under_nat_both_syns_announce_what_fits() {
    let story = told::story(&config("forward = \"nat\"\nmss = 1111"), 64);
    let syn = Segment {
        options: true,
        ..Segment::new("S")
    };
    for vips in WEB {
        for inner in 0..2 {
            let (client, web) = (socket(CLIENTS[inner]), socket(vips[inner]));
            let sent = send(&story.world, &frames::tcp(client, web, &syn));
            let there = sent.frame().inner().clone();
            assert_eq!(there.mss(), Some(1111));
            let Transport::Tcp {
                ports: [own, port], ..
            } = there.transport
            else {
                panic!("no TCP: {}", sent.frame());
            };
            let answer = Segment {
                flags: "SA",
                ..syn.clone()
            };
            let ends = (
                std::net::SocketAddr::new(there.destination, port),
                std::net::SocketAddr::new(there.source, own),
            );
            let sent = send(&story.world, &frames::tcp(ends.0, ends.1, &answer));
            assert_eq!(sent.seen.reason, Reason::FlowReply);
            let back = sent.frame().inner();
            assert_eq!((back.source, back.destination), (web.ip(), client.ip()));
            assert_eq!(back.mss(), Some(1111));
        }
    }
}

/// The frame with these tags.
fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags: Vec<u16> = tags.iter().map(|(_, tag)| *tag).collect();
    frames::tagged(frame, &tags)
}
