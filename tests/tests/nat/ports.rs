//! Ports of our own that translated flows are given.

use std::collections::BTreeSet;

use lb_common::{Event, Reason};
use lb_ebpf::testing::HostPacket;
use lb_tests::{
    engines::{INGRESS, flow_count},
    frames::{self, Segment},
};

use crate::{
    CLIENT, DNS_SERVICE, Service, WEB, WEB_SERVICE,
    dialogue::{Dialogue, sockets},
    story::{Story, socket},
    story_of, story_with,
};

/// One backend, and as few ports as can be configured.
fn narrow() -> Story {
    story_with(
        r#"nat_ports = "1024-1279""#,
        &[
            Service(
                "web",
                r#""192.0.2.10:80/tcp""#,
                "forward = \"nat\"\ntcp_closed = \"5s\"",
                &[("web-1", "10.0.1.11:8080")],
            ),
            DNS_SERVICE,
        ],
        4096,
    )
}

#[test]
fn two_clients_of_one_backend_get_two_ports() {
    let mut story = story_of(
        &[Service(
            "web",
            r#""192.0.2.10:80/tcp""#,
            "forward = \"nat\"",
            &[("web-1", "10.0.1.11")],
        )],
        64,
    );
    for client in [
        "198.51.100.7:40000",
        "198.51.100.8:40000",
        "198.51.100.7:40001",
    ] {
        let mut flow = Dialogue::new(client, WEB);
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn flows_are_spread_over_several_source_addresses() {
    let mut story = story_of(
        &[Service(
            "web",
            r#""192.0.2.10:80/tcp""#,
            "forward = \"nat\"\nnat_source = [\"10.0.1.1\", \"10.0.1.2\"]",
            &[("web-1", "10.0.1.11")],
        )],
        512,
    );
    let mut first = Vec::new();
    for port in 1..=100 {
        let mut flow = Dialogue::new(&format!("198.51.100.7:{port}"), WEB);
        flow.asks(&mut story, &Segment::new("S").at(1));
        let (_, ours) = flow.ends.expect("a backend");
        let back = flow.answers(&mut story, &Segment::new("SA").at(70));
        assert_eq!(sockets(&back), Some((flow.vip, flow.client)));
        first.push(ours.ip() == socket("10.0.1.1:1").ip());
    }
    let of_first = first.iter().filter(|is_first| **is_first).count();
    assert!(
        (30..=70).contains(&of_first),
        "{of_first} of 100 flows use the first address"
    );
}

/// SYNs or datagrams from many clients until no port is left; returns the clients that got one, with the port.
fn filled(
    story: &mut Story,
    frame: impl Fn(std::net::SocketAddr) -> Vec<u8>,
    refused: Reason,
) -> Vec<(std::net::SocketAddr, u16)> {
    let mut clients = Vec::new();
    let mut ports = BTreeSet::new();
    for number in 0_u16..2000 {
        let [high, low] = number.to_be_bytes();
        let client = socket(&format!("198.51.{high}.{low}:40000"));
        let seen = story.world.run(&frame(client)).expect("engines agree");
        if seen.reason == Reason::FlowNew {
            let (ours, _) = sockets(&seen.frame).expect("ends");
            assert!((1024..=1279).contains(&ours.port()), "{ours}");
            assert!(ports.insert(ours.port()), "{ours} was given twice");
            clients.push((client, ours.port()));
        } else {
            assert_eq!(seen.reason, refused, "{client}");
        }
        if ports.len() == 256 {
            return clients;
        }
    }
    panic!("{} ports of 256 were given", ports.len());
}

#[test]
fn ports_run_out_and_come_back() {
    let mut story = narrow();
    let syn = |client| frames::tcp(client, socket(WEB), &Segment::new("S").at(1));
    let clients = filled(&mut story, syn, Reason::ResetNoPort);
    let exhausted = |story: &Story| {
        let events = lb_agent::dataplane::Dataplane::events(&*story.world.kernel).expect("events");
        events
            .get(&Event::PortsExhausted)
            .copied()
            .unwrap_or_default()
    };
    assert!(exhausted(&story) > 0, "the last ports are found by trying");
    story.say("every port is taken");
    let mut late = Dialogue::new(CLIENT, WEB);
    late.asks(&mut story, &Segment::new("S").at(1));
    story.say("-- the ports of another backend are its own");
    Dialogue::new(CLIENT, "192.0.2.53:53").queries(&mut story);
    story.say("-- every flow ends");
    for (client, _) in &clients {
        let reset = frames::tcp(*client, socket(WEB), &Segment::new("R").at(2));
        let seen = story.world.run(&reset).expect("engines agree");
        assert_eq!(seen.reason, Reason::FlowHit);
    }
    story.say("-- it is too early to give their ports to others");
    late.asks(&mut story, &Segment::new("S").at(1));
    story.older(6);
    late.asks(&mut story, &Segment::new("S").at(1));
    late.answers(&mut story, &Segment::new("SA").at(70));
    let holder = |port| clients.iter().find(|(_, held)| *held == port);
    let (_, ours) = late.ends.expect("a backend");
    let (former, _) = *holder(ours.port()).expect("a former holder");
    story.say("-- the flow that had the port is gone, both entries");
    assert_eq!(story.states(former), "no flow");
    insta::assert_snapshot!(story.told());
}

#[test]
fn ports_run_out_for_datagrams() {
    let mut story = narrow();
    let query = |client| frames::udp(client, socket("192.0.2.53:53"), b"question");
    filled(&mut story, query, Reason::NoPort);
    let mut late = Dialogue::new(CLIENT, "192.0.2.53:53");
    late.queries(&mut story);
    story.older(11);
    late.queries(&mut story);
    insta::assert_snapshot!(story.told());
}

/// Both entries of each flow, or neither: in a table that is full all the time.
#[test]
fn a_full_table_forgets_whole_flows() {
    for flows in [8, 16, 32] {
        let mut story = story_of(&[WEB_SERVICE], flows);
        let mut dialogues: Vec<Dialogue> = Vec::new();
        for port in 1..=80 {
            let mut flow = Dialogue::new(&format!("198.51.100.7:{port}"), WEB);
            flow.asks(&mut story, &Segment::new("S").at(1));
            dialogues.push(flow);
            // Both engines agree on which flow is the oldest: what they did lies within one tick of a clock, or not.
            story.older(1);
            assert!(flow_count(&story.world) <= flows as usize);
            for flow in &dialogues {
                let states = story.states(flow.client);
                let halves = states.split("; ").count();
                assert!(
                    states == "no flow" || (halves == 2 && !states.contains("alone")),
                    "{flows} flows, after port {port}, {}: {states}\n{}",
                    flow.client,
                    story.told()
                );
            }
        }
        let newest = dialogues.last_mut().expect("a flow");
        let back = newest.answers(&mut story, &Segment::new("SA").at(70));
        assert_eq!(sockets(&back), Some((newest.vip, newest.client)));
        let oldest = &mut dialogues[0];
        assert!(
            oldest
                .answers(&mut story, &Segment::new("SA").at(70))
                .is_empty()
        );
    }
}

/// A SYN on the five-tuple of a flow that has ended, where the table has no room to spare.
#[test]
fn the_same_five_tuple_again_in_a_full_table() {
    let mut story = story_of(&[WEB_SERVICE], 8);
    let mut dialogues: Vec<Dialogue> = (1..=4)
        .map(|port| Dialogue::new(&format!("198.51.100.7:{port}"), WEB))
        .collect();
    for round in 0_u32..12 {
        for flow in &mut dialogues {
            story.older(1);
            flow.asks(&mut story, &Segment::new("S").at(1000 * round + 1));
            let back = flow.answers(&mut story, &Segment::new("SA").at(70));
            assert_eq!(
                sockets(&back),
                Some((flow.vip, flow.client)),
                "{}",
                story.told()
            );
            flow.asks(&mut story, &Segment::new("R").at(1000 * round + 2));
            if round % 3 == 2 {
                story.older(11);
            }
        }
    }
}

/// As many flows as the table holds or more, faster than its clock: whatever is forwarded can be answered.
#[test]
fn a_flow_is_never_forwarded_without_its_way_back() {
    let direct = Service(
        "direct",
        r#""192.0.2.10:81/tcp""#,
        "",
        &[("direct-1", "10.0.1.11")],
    );
    for (clients, others) in [
        (1, 1),
        (2, 1),
        (4, 0),
        (12, 0),
        (3, 2),
        (4, 3),
        (4, 5),
        (3, 7),
    ] {
        let story = story_of(&[WEB_SERVICE, direct], 8);
        let host = &story.world.host;
        let run = |bytes: Vec<u8>| {
            let mut packet = HostPacket {
                bytes,
                ingress: INGRESS,
            };
            (host.run(&mut packet).reason, packet.bytes)
        };
        let mut forwarded = 0;
        for round in 0_u32..20 {
            let syn = Segment::new("S").at(100 * round + 1);
            for port in 1..=others * round % 9 {
                let client = socket(&format!("198.51.100.8:{port}"));
                run(frames::tcp(client, socket("192.0.2.10:81"), &syn));
            }
            for port in 1..=clients {
                let client = socket(&format!("198.51.100.7:{port}"));
                let (reason, left) = run(frames::tcp(client, socket(WEB), &syn));
                if reason == Reason::ResetNoPort {
                    continue;
                }
                forwarded += 1;
                let (ours, backend) = sockets(&left).expect("ends");
                let (reason, left) = run(frames::tcp(backend, ours, &Segment::new("SA")));
                let place =
                    format!("{clients} clients, {others} others, round {round}, port {port}");
                assert_eq!(reason, Reason::FlowReply, "{place}");
                assert_eq!(sockets(&left), Some((socket(WEB), client)), "{place}");
                run(frames::tcp(client, socket(WEB), &Segment::new("R")));
            }
        }
        assert!(forwarded > 0, "no flow was forwarded");
    }
}
