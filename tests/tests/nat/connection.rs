//! `forward = "nat"`: connections and UDP flows from beginning to end, in both directions.

use lb_tests::frames::{self, Segment};

use crate::{
    CLIENT, CLIENT6, DNS, DNS_SERVICE, DNS6, DNS6_SERVICE, Service, WEB, WEB_SERVICE, WEB6,
    WEB6_SERVICE,
    dialogue::{Dialogue, sockets},
    story::{Story, socket},
    story_of,
};

fn services() -> Story {
    story_of(&[WEB_SERVICE, WEB6_SERVICE, DNS_SERVICE, DNS6_SERVICE], 64)
}

fn open(story: &mut Story, client: &str, vip: &str) -> Dialogue {
    let mut flow = Dialogue::new(client, vip);
    flow.asks(story, &Segment::new("S").at(1));
    flow.answers(story, &Segment::new("SA").at(70));
    flow.asks(story, &Segment::new("A").at(2));
    flow
}

#[test]
fn a_connection_s_whole_life() {
    let mut story = services();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = open(&mut story, client, vip);
        flow.asks(
            &mut story,
            &Segment::new("PA").at(2).with(b"GET / HTTP/1.1\r\n\r\n"),
        );
        flow.answers(
            &mut story,
            &Segment::new("PA")
                .at(71)
                .with(b"HTTP/1.1 200 OK\r\n\r\nodd"),
        );
        story.say("-- the client closes first");
        flow.asks(&mut story, &Segment::new("FA").at(20));
        flow.answers(&mut story, &Segment::new("PA").at(93).with(b"more"));
        flow.answers(&mut story, &Segment::new("FA").at(97));
        flow.asks(&mut story, &Segment::new("A").at(21));
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn the_backend_closes_first() {
    let mut story = services();
    let mut flow = open(&mut story, CLIENT, WEB);
    flow.answers(&mut story, &Segment::new("FA").at(71));
    flow.asks(&mut story, &Segment::new("PA").at(2).with(b"still here"));
    flow.asks(&mut story, &Segment::new("FA").at(12));
    flow.answers(&mut story, &Segment::new("A").at(72));
    insta::assert_snapshot!(story.told());
}

#[test]
fn either_side_resets() {
    let mut story = services();
    let mut flow = open(&mut story, CLIENT, WEB);
    flow.asks(&mut story, &Segment::new("R").at(2));
    flow.answers(&mut story, &Segment::new("A").at(71));
    let mut flow = open(&mut story, CLIENT6, WEB6);
    flow.answers(&mut story, &Segment::new("RA").at(71));
    flow.asks(&mut story, &Segment::new("A").at(2));
    story.say("-- nobody listens there");
    let mut flow = Dialogue::new("198.51.100.8:40000", WEB);
    flow.asks(&mut story, &Segment::new("S").at(1));
    flow.answers(&mut story, &Segment::new("RA").at(0));
    insta::assert_snapshot!(story.told());
}

#[test]
fn answers_go_back_the_way_the_requests_came() {
    let mut story = services();
    for (tags, last) in [(vec![], 0xa1), (vec![100], 0xa2), (vec![100, 200], 0xa3)] {
        let mut flow = Dialogue {
            tags,
            mac: [2, 0, 0, 0, 0, last],
            ..Dialogue::new(&format!("198.51.100.{last}:40000"), WEB)
        };
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        let mut flow = Dialogue {
            client: socket(&format!("[2001:db8:c::{last}]:40000")),
            vip: socket(DNS6),
            ends: None,
            ..flow
        };
        flow.queries(&mut story);
        flow.responds(&mut story);
    }
    story.say("-- a part of a bond: answers leave by the bond");
    let mut flow = Dialogue {
        tags: vec![400],
        mac: [2, 0, 0, 0, 0, 0xa4],
        ..Dialogue::new("198.51.100.164:40000", WEB)
    };
    flow.asks(&mut story, &Segment::new("S").at(1));
    flow.answers(&mut story, &Segment::new("SA").at(70));
    story.say("-- a VLAN that this host is not in: no way back is known");
    let mut flow = Dialogue {
        tags: vec![300],
        ..Dialogue::new(CLIENT, WEB)
    };
    flow.asks(&mut story, &Segment::new("S").at(1));
    flow.answers(&mut story, &Segment::new("SA").at(70));
    insta::assert_snapshot!(story.told());
}

#[test]
fn udp_both_ways() {
    let mut story = services();
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let mut flow = Dialogue::new(client, vip);
        flow.queries(&mut story);
        flow.responds(&mut story);
        flow.queries(&mut story);
        flow.responds(&mut story);
    }
    story.say("-- no checksum stays none in IPv4");
    let mut flow = Dialogue::new(CLIENT, DNS);
    let mut bare = frames::udp(flow.client, flow.vip, b"question");
    bare[40..42].copy_from_slice(&[0, 0]);
    flow.request(&mut story, "client udp without checksum", &bare);
    let (backend, ours) = flow.ends.expect("a backend");
    let mut bare = frames::udp(backend, ours, b"answer");
    bare[40..42].copy_from_slice(&[0, 0]);
    flow.response(&mut story, "backend udp without checksum", &bare);
    story.older(11);
    story.say("-- the flow is over: a new one takes its place");
    flow.queries(&mut story);
    flow.responds(&mut story);
    insta::assert_snapshot!(story.told());
}

#[test]
fn the_client_s_own_address_is_kept() {
    let keys = "forward = \"nat\"\nnat_source = \"client\"";
    let mut story = story_of(
        &[
            Service(
                "web",
                r#""192.0.2.10:80/tcp""#,
                keys,
                &[("web-1", "10.0.1.11:8080")],
            ),
            Service(
                "dns6",
                r#""[2001:db8::53]:53/udp""#,
                keys,
                &[("dns6-1", "2001:db8:1::13")],
            ),
        ],
        64,
    );
    let mut flow = Dialogue::new(CLIENT, WEB);
    let syn = flow.asks(&mut story, &Segment::new("S").at(1));
    let (source, backend) = sockets(&syn).expect("ends");
    assert_eq!(source, flow.client);
    flow.ends = Some((backend, source));
    flow.answers(&mut story, &Segment::new("SA").at(70));
    flow.asks(&mut story, &Segment::new("A").at(2));
    flow.answers(&mut story, &Segment::new("PA").at(71).with(b"hello"));
    flow.answers(&mut story, &Segment::new("FA").at(76));
    flow.asks(&mut story, &Segment::new("FA").at(2));
    let mut flow = Dialogue::new(CLIENT6, DNS6);
    let query = flow.queries(&mut story);
    let (source, backend) = sockets(&query).expect("ends");
    flow.ends = Some((backend, source));
    flow.responds(&mut story);
    story.say("-- the same from another client");
    let mut flow = Dialogue::new("198.51.100.8:40000", WEB);
    flow.asks(&mut story, &Segment::new("S").at(1));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_packet_at_its_last_hop() {
    let mut story = services();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        let mut flow = Dialogue {
            tags: vec![100],
            ..Dialogue::new(client, vip)
        };
        let syn = frames::tcp(flow.client, flow.vip, &Segment::new("S").at(1));
        let last = flow.dressed(&frames::with_hops(&syn, 1));
        story.shows("client S with one hop left", &last);
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        flow.asks(&mut story, &Segment::new("A").at(2));
        let segment = Segment::new("PA").at(2).with(&[7; 200]);
        let data = frames::with_hops(&frames::tcp(flow.client, flow.vip, &segment), 1);
        flow.request(
            &mut story,
            "client PA+200 with one hop left",
            &flow.dressed(&data),
        );
        let (backend, ours) = flow.ends.expect("a backend");
        let data = frames::tcp(backend, ours, &segment);
        story.shows(
            "backend PA+200 with one hop left",
            &frames::with_hops(&data, 1),
        );
        story.shows(
            "backend PA+200 with two hops left",
            &frames::with_hops(&data, 2),
        );
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn answers_of_nobody_s_flow_are_the_host_s() {
    let mut story = services();
    let mut flow = open(&mut story, CLIENT, WEB);
    let (backend, ours) = flow.ends.expect("a backend");
    let mut other_port = ours;
    other_port.set_port(if ours.port() == 2000 { 2001 } else { 2000 });
    let mut outside = ours;
    outside.set_port(33_000);
    let mut other_backend = backend;
    other_backend.set_port(8081);
    for (what, from, to) in [
        ("another port of ours", backend, other_port),
        ("a port outside the range", backend, outside),
        ("another port of the backend", other_backend, ours),
    ] {
        story.shows(what, &frames::tcp(from, to, &Segment::new("A")));
    }
    story.shows(
        "UDP between the same ends",
        &frames::udp(backend, ours, b"x"),
    );
    story.say("-- and the right one still works");
    flow.answers(&mut story, &Segment::new("A").at(71));
    insta::assert_snapshot!(story.told());
}

#[test]
fn the_same_five_tuple_again() {
    let mut story = services();
    let mut flow = open(&mut story, CLIENT, WEB);
    let former = flow.ends;
    flow.asks(&mut story, &Segment::new("FA").at(2));
    story.say("-- the same port again at once");
    flow.asks(&mut story, &Segment::new("S").at(9000));
    assert_ne!(flow.ends, former);
    flow.answers(&mut story, &Segment::new("SA").at(170));
    story.say("-- what the first backend still sends is nobody's");
    let (backend, ours) = former.expect("a backend");
    story.shows(
        "first backend FA",
        &frames::tcp(backend, ours, &Segment::new("FA").at(71)),
    );
    story.say("-- a SYN with another number before the flow is open: another attempt");
    flow.asks(&mut story, &Segment::new("S").at(9999));
    flow.asks(&mut story, &Segment::new("S").at(9999));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_backend_that_may_no_longer_serve() {
    let mut story = services();
    let mut flow = open(&mut story, CLIENT, WEB);
    let first = story.told().lines().find_map(|line| {
        ["web-1", "web-2"]
            .into_iter()
            .find(|name| line.contains(name))
    });
    let used = lb_common::Backend::USED | lb_common::Backend::REACHABLE;
    story.allow(first.expect("a backend"), used, "it may not serve");
    flow.asks(&mut story, &Segment::new("A").at(2));
    story.say("-- its answers still go to the client");
    flow.answers(&mut story, &Segment::new("RA").at(71));
    flow.asks(&mut story, &Segment::new("S").at(500));
    flow.answers(&mut story, &Segment::new("SA").at(170));
    insta::assert_snapshot!(story.told());
}
