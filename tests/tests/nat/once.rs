//! `one_packet`: datagrams that are scheduled one by one. `sticky`: clients that keep their backend.

use lb_tests::frames::Segment;

use crate::{CLIENT, CLIENT6, DNS, DNS6, Service, WEB, WEB6, dialogue::Dialogue, story_of};

#[test]
fn datagrams_one_by_one_with_direct_return() {
    let mut story = story_of(
        &[Service(
            "dns",
            r#""192.0.2.53:53/udp", "[2001:db8::53]:53/udp""#,
            "one_packet = true",
            &[("dns-1", "10.0.1.11"), ("dns-2", "10.0.1.12")],
        )],
        64,
    );
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let mut flow = Dialogue::new(client, vip);
        for _ in 0..3 {
            flow.queries(&mut story);
        }
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn datagrams_one_by_one_translated() {
    let mut story = story_of(
        &[Service(
            "dns",
            r#""192.0.2.53:53/udp""#,
            "forward = \"nat\"\none_packet = true\nudp_idle = \"10s\"",
            &[("dns-1", "10.0.1.11"), ("dns-2", "10.0.1.12")],
        )],
        64,
    );
    let mut flow = Dialogue::new(CLIENT, DNS);
    for _ in 0..3 {
        flow.queries(&mut story);
        flow.responds(&mut story);
    }
    story.older(11);
    flow.queries(&mut story);
    flow.responds(&mut story);
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_client_keeps_its_backend() {
    let mut story = story_of(
        &[Service(
            "web",
            r#""192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp""#,
            "forward = \"nat\"\nsticky = \"60s\"",
            &[
                ("web-1", "10.0.1.11"),
                ("web-2", "10.0.1.12"),
                ("web-3", "10.0.1.13"),
            ],
        )],
        128,
    );
    for (host, vip) in [
        ("198.51.100.7", WEB),
        ("[2001:db8:c::7]", WEB6),
        ("198.51.100.8", WEB),
    ] {
        for port in 1..=3 {
            let mut flow = Dialogue::new(&format!("{host}:{port}"), vip);
            flow.asks(&mut story, &Segment::new("S").at(1));
            flow.answers(&mut story, &Segment::new("SA").at(70));
        }
    }
    story.older(61);
    story.say("-- long ago: chosen anew");
    for port in 4..=6 {
        let mut flow = Dialogue::new(&format!("198.51.100.7:{port}"), WEB);
        flow.asks(&mut story, &Segment::new("S").at(1));
    }
    insta::assert_snapshot!(story.told());
}
