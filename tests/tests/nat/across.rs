//! A service of one family over backends of the other (RFC 7915).

use lb_tests::frames::{self, Segment};

use crate::{
    CLIENT, CLIENT6, DNS, DNS6, Service, WEB, WEB6, dialogue::Dialogue, story::Story, story_of,
};

const NAT: &str = "forward = \"nat\"";

/// Services of one family over backends of the other.
pub fn services() -> Story {
    story_of(
        &[
            Service(
                "web6",
                r#""[2001:db8::10]:80/tcp""#,
                NAT,
                &[("web-1", "10.0.1.11:8080")],
            ),
            Service(
                "web",
                r#""192.0.2.10:80/tcp""#,
                NAT,
                &[("web6-1", "2001:db8:1::12")],
            ),
            Service(
                "dns6",
                r#""[2001:db8::53]:53/udp""#,
                NAT,
                &[("dns-1", "10.0.1.13")],
            ),
            Service(
                "dns",
                r#""192.0.2.53:53/udp""#,
                NAT,
                &[("dns6-1", "2001:db8:1::13")],
            ),
        ],
        64,
    )
}

#[test]
fn connections_and_datagrams_in_both_directions() {
    let mut story = services();
    for (client, vip) in [(CLIENT6, WEB6), (CLIENT, WEB)] {
        story.say(&format!("-- {client} > {vip}"));
        for tags in [vec![], vec![100, 200]] {
            let mut flow = Dialogue {
                tags,
                ..Dialogue::new(client, vip)
            };
            flow.asks(
                &mut story,
                &Segment {
                    options: true,
                    ..Segment::new("S").at(1)
                },
            );
            flow.answers(
                &mut story,
                &Segment {
                    options: true,
                    ..Segment::new("SA").at(70)
                },
            );
            flow.asks(&mut story, &Segment::new("A").at(2));
            flow.asks(
                &mut story,
                &Segment::new("PA").at(2).with(b"GET / HTTP/1.1\r\n\r\n"),
            );
            flow.answers(&mut story, &Segment::new("PA").at(71).with(b"odd"));
            flow.asks(&mut story, &Segment::new("FA").at(20));
            flow.answers(&mut story, &Segment::new("FA").at(74));
        }
    }
    for (client, vip) in [(CLIENT6, DNS6), (CLIENT, DNS)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = Dialogue::new(client, vip);
        flow.queries(&mut story);
        flow.responds(&mut story);
        flow.queries(&mut story);
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn what_cannot_be_translated() {
    let mut story = services();
    let mut flow = Dialogue::new(CLIENT, DNS);
    let query = frames::udp(flow.client, flow.vip, b"question");
    let mut bare = query.clone();
    bare[40..42].copy_from_slice(&[0, 0]);
    story.shows("udp without checksum into IPv6", &bare);
    flow.request(
        &mut story,
        "udp with options",
        &frames::with_options(&query, &[1, 1, 1, 1]),
    );
    let route = [131, 7, 4, 203, 0, 113, 1, 0];
    story.shows(
        "udp with a source route",
        &frames::with_options(&query, &route),
    );
    story.shows("udp, last hop", &frames::with_hops(&query, 1));
    story.shows(
        "udp without checksum, first fragment",
        &frames::fragment(&bare, 0, 8, 77),
    );
    let mut flow = Dialogue::new(CLIENT6, DNS6);
    let query = frames::udp(flow.client, flow.vip, b"question");
    flow.request(
        &mut story,
        "udp with extension headers",
        &frames::with_extensions(&query, &[0, 60]),
    );
    story.shows("udp, last hop", &frames::with_hops(&query, 1));
    let optioned = frames::with_extensions(&query, &[0]);
    story.shows(
        "first fragment with a header behind its fragment header",
        &frames::fragment(&optioned, 0, 16, 78),
    );
    insta::assert_snapshot!(story.told());
}

#[test]
fn what_grows_too_long() {
    let mut story = services();
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let mut flow = Dialogue::new(client, vip);
        flow.queries(&mut story);
        for payload in [1452, 1453, 1472] {
            let query = frames::udp(flow.client, flow.vip, &vec![7; payload]);
            if query.len() <= 1514 {
                flow.request(&mut story, &format!("client udp+{payload}"), &query);
            }
            let (backend, ours) = flow.ends.expect("a backend");
            let answer = frames::udp(backend, ours, &vec![7; payload]);
            if answer.len() <= 1514 {
                flow.response(&mut story, &format!("backend udp+{payload}"), &answer);
            }
        }
    }
    insta::assert_snapshot!(story.told());
}
