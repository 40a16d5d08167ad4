//! ICMP: echo requests, and errors about flows.

use std::net::IpAddr;

use lb_tests::{
    engines::{OWN, OWN6},
    frames::{self, Segment},
};

use crate::{
    CLIENT, CLIENT6, DNS, DNS_SERVICE, DNS6, DNS6_SERVICE, Service, WEB, WEB_SERVICE, WEB6,
    WEB6_SERVICE, across,
    dialogue::{Dialogue, sockets},
    story::{Story, socket},
    story_of,
};

/// Unreachable, too big, expired: type, code and rest of the header, for IPv4 and IPv6.
const ERRORS: [(&str, [u8; 2], [u8; 2], u32); 3] = [
    ("unreachable", [3, 1], [1, 3], 0),
    ("too big", [3, 4], [2, 0], 1400),
    ("expired", [11, 0], [3, 0], 0),
];

fn router(family_of: IpAddr) -> IpAddr {
    match family_of {
        IpAddr::V4(_) => "203.0.113.99".parse().expect("an address"),
        IpAddr::V6(_) => "2001:db8:99::99".parse().expect("an address"),
    }
}

/// Errors of a router on the way about the packet in `frame`, sent to that packet's source.
fn errors(frame: &[u8], quoted: usize) -> Vec<(&'static str, Vec<u8>)> {
    let (source, _) = sockets(frame).expect("ends");
    ERRORS
        .into_iter()
        .map(|(name, v4, v6, rest)| {
            let kind = if source.is_ipv4() { v4 } else { v6 };
            let from = router(source.ip());
            (
                name,
                frames::icmp_error(from, source.ip(), kind, rest, frame, quoted),
            )
        })
        .collect()
}

fn translated() -> Story {
    story_of(&[WEB_SERVICE, WEB6_SERVICE, DNS_SERVICE, DNS6_SERVICE], 64)
}

#[test]
fn echo_requests() {
    let mut story = Story::new();
    for (client, vip, own) in [(CLIENT, WEB, OWN), (CLIENT6, WEB6, OWN6)] {
        let (client, vip) = (socket(client).ip(), socket(vip).ip());
        let ping = frames::ping(client, vip);
        story.shows("to a VIP", &ping);
        story.shows("to a VIP by VLAN 100", &frames::tagged(&ping, &[100]));
        story.shows("to a VIP, the last hop", &frames::with_hops(&ping, 1));
        story.shows("to an address of the host", &frames::ping(client, own));
        let mut reply = ping.clone();
        reply[if client.is_ipv4() { 34 } else { 54 }] = if client.is_ipv4() { 0 } else { 129 };
        story.shows("a reply to a VIP", &reply);
    }
    let (client, vip) = (socket(CLIENT).ip(), socket(WEB).ip());
    let ping = frames::ping(client, vip);
    story.shows("with options", &frames::with_options(&ping, &[1, 1, 1, 0]));
    for (number, piece) in frames::fragmented(&ping, 8, 5).iter().enumerate() {
        story.shows(&format!("fragment {number}"), piece);
    }
    let ping = frames::ping(socket(CLIENT6).ip(), socket(WEB6).ip());
    story.shows(
        "with extension headers",
        &frames::with_extensions(&ping, &[0, 60, 44]),
    );
    insta::assert_snapshot!(story.told());
}

#[test]
fn echo_requests_to_a_service_that_leaves_them_to_the_host() {
    let service = Service(
        "web",
        r#""192.0.2.10:80/tcp""#,
        "echo = false",
        &[("web-1", "10.0.1.11")],
    );
    let mut story = story_of(&[service], 8);
    story.shows(
        "to the VIP",
        &frames::ping(socket(CLIENT).ip(), socket(WEB).ip()),
    );
    insta::assert_snapshot!(story.told());
}

/// A backend answers its client directly; errors about these answers come to the VIP, and so to us.
#[test]
fn errors_about_answers_of_backends_under_direct_return() {
    let mut story = Story::new();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        story.tcp(client, vip, &Segment::new("S").at(1));
        let answer = frames::tcp(
            socket(vip),
            socket(client),
            &Segment::new("PA").with(&[7; 400]),
        );
        for (name, error) in errors(&answer, 68) {
            story.shows(name, &error);
        }
        let (_, short) = &errors(&answer, if client == CLIENT { 28 } else { 48 })[1];
        story.shows("too big, 8 bytes of TCP quoted", short);
        story.shows(
            "too big, by VLAN 100",
            &frames::tagged(&errors(&answer, 68)[1].1, &[100]),
        );
    }
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        story.udp(client, vip);
        let answer = frames::udp(socket(vip), socket(client), b"answer");
        for (name, error) in errors(&answer, 68) {
            story.shows(name, &error);
        }
    }
    story.say("-- about nobody's flow");
    let answer = frames::tcp(socket(WEB), socket("198.51.100.9:1"), &Segment::new("A"));
    for (name, error) in errors(&answer, 68) {
        story.shows(name, &error);
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn errors_about_what_a_backend_was_sent() {
    let mut story = translated();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        let mut flow = Dialogue::new(client, vip);
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        let sent = flow.asks(&mut story, &Segment::new("PA").at(2).with(&[7; 201]));
        for quoted in [48, 128, 1000] {
            for (name, error) in errors(&sent, quoted) {
                story.shows(&format!("{name}, at most {quoted} bytes quoted"), &error);
            }
        }
        story.say("-- the flow goes on");
        flow.asks(&mut story, &Segment::new("A").at(203));
    }
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let mut flow = Dialogue::new(client, vip);
        let sent = flow.queries(&mut story);
        for (name, error) in errors(&sent, 1000) {
            flow.response(&mut story, name, &error);
        }
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn errors_about_what_a_client_was_sent() {
    let mut story = translated();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        let mut flow = Dialogue {
            tags: vec![100],
            ..Dialogue::new(client, vip)
        };
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        flow.asks(&mut story, &Segment::new("A").at(2));
        let tagged = flow.answers(&mut story, &Segment::new("PA").at(71).with(&[7; 201]));
        let sent = [&tagged[..12], &tagged[16..]].concat();
        for quoted in [48, 128, 1000] {
            for (name, error) in errors(&sent, quoted) {
                let error = flow.dressed(&error);
                story.shows(&format!("{name}, at most {quoted} bytes quoted"), &error);
            }
        }
        story.shows(
            "expired, the last hop",
            &frames::with_hops(&errors(&sent, 48)[2].1, 1),
        );
    }
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let mut flow = Dialogue::new(client, vip);
        flow.queries(&mut story);
        let sent = flow.responds(&mut story);
        for (name, error) in errors(&sent, 1000) {
            story.shows(name, &error);
        }
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn errors_about_nobody_s_flow() {
    let mut story = translated();
    let (backend, ours) = (socket("10.0.1.11:8080"), socket("10.0.1.1:2000"));
    let (backend6, ours6) = (
        socket("[2001:db8:1::11]:80"),
        socket("[2001:db8:1::1]:2000"),
    );
    for sent in [
        frames::tcp(ours, backend, &Segment::new("A")),
        frames::tcp(ours6, backend6, &Segment::new("A")),
        frames::tcp(socket(WEB), socket(CLIENT), &Segment::new("A")),
        frames::udp(socket(DNS6), socket(CLIENT6), b"x"),
        frames::udp(socket("10.0.1.1:40000"), backend, b"the host's own"),
    ] {
        for (name, error) in errors(&sent, 128) {
            story.shows(name, &error);
        }
    }
    story.say("-- cut short");
    let sent = frames::tcp(ours, backend, &Segment::new("A"));
    for quoted in [0, 10, 20, 23] {
        story.shows(
            &format!("{quoted} bytes quoted"),
            &errors(&sent, quoted)[0].1,
        );
    }
    story.say("-- about an echo request");
    let ping = frames::ping(socket(WEB).ip(), socket(CLIENT).ip());
    let error = frames::icmp_error(router(OWN), socket(WEB).ip(), [3, 1], 0, &ping, 128);
    story.shows("unreachable", &error);
    insta::assert_snapshot!(story.told());
}

/// Where backends see the clients' own addresses, errors about what they were sent come by on the way to the client.
#[test]
fn errors_about_flows_that_keep_the_client_s_address() {
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
                "web6",
                r#""[2001:db8::10]:80/tcp""#,
                keys,
                &[("web6-1", "2001:db8:1::11")],
            ),
        ],
        64,
    );
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        let mut flow = Dialogue::new(client, vip);
        let sent = flow.asks(&mut story, &Segment::new("S").at(1));
        let (source, backend) = sockets(&sent).expect("ends");
        flow.ends = Some((backend, source));
        let back = flow.answers(&mut story, &Segment::new("SA").at(70));
        for (name, error) in errors(&sent, 128) {
            story.shows(&format!("{name}, about the request"), &error);
        }
        for (name, error) in errors(&back, 128) {
            story.shows(&format!("{name}, about the answer"), &error);
        }
    }
    insta::assert_snapshot!(story.told());
}

/// Sees to it that the error in `left` quotes `sent`, which its receiver sent, in front of its data.
fn quotes(left: &[u8], sent: &[u8]) {
    let l3 = |frame: &[u8]| if frame[12..14] == [0x81, 0] { 18 } else { 14 };
    let (left, sent) = (&left[l3(left)..], &sent[l3(sent)..]);
    let ip = if left[0] >> 4 == 6 { 40 } else { 20 };
    let quote = &left[ip + 8..];
    assert_eq!(quote.len(), ip + 8);
    // Length, protocol, addresses; ports and what follows them.
    let same = if ip == 40 {
        vec![4..7, 8..48]
    } else {
        vec![0..4, 9..10, 12..28]
    };
    for part in same {
        assert_eq!(quote[part.clone()], sent[part], "{quote:02x?}\n{sent:02x?}");
    }
}

/// Errors about flows between the families become those of the other one, in both directions.
#[test]
fn errors_across_families() {
    let mut story = across::services();
    for (client, vip) in [(CLIENT6, WEB6), (CLIENT, WEB)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = Dialogue {
            tags: vec![100],
            ..Dialogue::new(client, vip)
        };
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        let segment = Segment::new("PA").at(2).with(&[7; 1300]);
        let asked = flow.dressed(&frames::tcp(flow.client, flow.vip, &segment));
        let sent = flow.request(&mut story, "client PA+1300", &asked);
        let (backend, ours) = flow.ends.expect("a backend");
        let answer = frames::tcp(backend, ours, &segment);
        let tagged = flow.response(&mut story, "backend PA+1300", &answer);
        let back = [&tagged[..12], &tagged[16..]].concat();
        for quoted in [48, 1000] {
            for (name, error) in errors(&sent, quoted) {
                let what = format!("{name}, at most {quoted} bytes quoted, about the request");
                quotes(&story.shows(&what, &error), &asked);
            }
            for (name, error) in errors(&back, quoted) {
                let what = format!("{name}, at most {quoted} bytes quoted, about the answer");
                quotes(&story.shows(&what, &flow.dressed(&error)), &answer);
            }
        }
        story.say("-- the flow goes on");
        flow.asks(&mut story, &Segment::new("A").at(1302));
    }
    for (client, vip) in [(CLIENT6, DNS6), (CLIENT, DNS)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = Dialogue::new(client, vip);
        let asked = frames::udp(flow.client, flow.vip, b"question");
        let sent = flow.request(&mut story, "client udp", &asked);
        let (backend, ours) = flow.ends.expect("a backend");
        let answer = frames::udp(backend, ours, b"answer");
        let back = flow.response(&mut story, "backend udp", &answer);
        for (name, error) in errors(&sent, 1000) {
            quotes(&flow.response(&mut story, name, &error), &asked);
        }
        for (name, error) in errors(&back, 1000) {
            quotes(&story.shows(name, &error), &answer);
        }
    }
    insta::assert_snapshot!(story.told());
}

/// Those that the other family has no word for, and those that tell too little.
#[test]
fn errors_across_families_that_are_dropped() {
    let mut story = across::services();
    for (client, vip) in [(CLIENT6, WEB6), (CLIENT, WEB)] {
        let mut flow = Dialogue::new(client, vip);
        let sent = flow.asks(&mut story, &Segment::new("S").at(1));
        let (source, _) = sockets(&sent).expect("ends");
        let from = router(source.ip());
        let error =
            |kind, rest, quoted| frames::icmp_error(from, source.ip(), kind, rest, &sent, quoted);
        let (unknown, problem, short) = if source.is_ipv4() {
            ([3, 14], [12, 0], 27)
        } else {
            ([1, 5], [4, 0], 47)
        };
        story.shows("without a word for it", &error(unknown, 0, 128));
        // A protocol or next header that nobody knows; identification or flow label.
        for pointer in [9 << 24, 6, 5 << 24, 3] {
            let error = error(problem, pointer, 128);
            story.shows(&format!("pointer {pointer:08x}"), &error);
        }
        story.shows("7 bytes of TCP quoted", &errors(&sent, short)[0].1);
        let last = frames::with_hops(&errors(&sent, 128)[2].1, 1);
        story.shows("the last hop", &last);
    }
    insta::assert_snapshot!(story.told());
}
