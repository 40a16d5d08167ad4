//! What a service listens on and whom it lets in, in both engines.

#[allow(dead_code, reason = "each story uses some of it")]
mod story;
#[allow(dead_code, reason = "each story uses some of it")]
mod told;

use lb_agent::config::Config;
use lb_common::Reason;
use lb_ebpf::verdict::Verdict;
use lb_tests::{
    engines::World,
    frames::{self, Segment},
};
use story::socket;
use told::send;

const CLIENT: &str = "198.51.100.7:40000";
const CLIENT6: &str = "[2001:db8:c::7]:40000";

/// Services by name: what each listens on, and further lines. Each has one backend of its name.
fn config(services: &[(&str, &str, &str)]) -> String {
    let mut text = String::from("[[interface]]\nname = \"lo\"\n");
    for (number, (name, listen, more)) in (11..).zip(services) {
        text += &format!(
            "[[service]]\nname = \"{name}\"\nlisten = [{listen}]\n{more}\n\
             [[service.backend]]\nname = \"{name}\"\naddress = \"10.0.1.{number}\"\n"
        );
    }
    text
}

fn client(of: &str) -> &'static str {
    if of.starts_with('[') { CLIENT6 } else { CLIENT }
}

/// The service that a SYN, or a datagram, to this destination goes to; "" where it passes.
fn service(world: &World, destination: &str, protocol: &str) -> String {
    let (from, to) = (socket(client(destination)), socket(destination));
    let frame = match protocol {
        "tcp" => frames::tcp(from, to, &Segment::new("S")),
        _ => frames::udp(from, to, b"question"),
    };
    let sent = send(world, &frame);
    match sent.seen.backend {
        Some(number) => {
            assert!(matches!(
                sent.seen.reason,
                Reason::FlowNew | Reason::FlowHit
            ));
            world.backend_name(number)
        }
        None => {
            assert_eq!(sent.seen.reason, Reason::NoService, "{destination}");
            assert_eq!(sent.seen.verdict, Verdict::Pass);
            assert_eq!(sent.seen.frame, frame, "what passes is untouched");
            String::new()
        }
    }
}

fn check(world: &World, protocol: &str, cases: &[(&str, &str)]) {
    for (destination, expected) in cases {
        assert_eq!(
            service(world, destination, protocol),
            *expected,
            "{destination}/{protocol}"
        );
    }
}

#[test]
fn a_range_of_ports_has_two_ends() {
    let story = told::story(
        &config(&[
            (
                "range",
                r#""192.0.2.10:8000-8099/tcp", "[2001:db8::10]:8000-8099/tcp""#,
                "",
            ),
            ("one", r#""192.0.2.10:8100/tcp""#, ""),
            (
                "next",
                r#""192.0.2.10:8101-8101/tcp", "192.0.2.10:8102-65535/tcp""#,
                "",
            ),
        ]),
        256,
    );
    check(
        &story.world,
        "tcp",
        &[
            ("192.0.2.10:7999", ""),
            ("192.0.2.10:8000", "range"),
            ("192.0.2.10:8050", "range"),
            ("192.0.2.10:8099", "range"),
            ("192.0.2.10:8100", "one"),
            ("192.0.2.10:8101", "next"),
            ("192.0.2.10:8102", "next"),
            ("192.0.2.10:65535", "next"),
            ("192.0.2.10:1", ""),
            ("192.0.2.11:8050", ""),
            ("[2001:db8::10]:7999", ""),
            ("[2001:db8::10]:8000", "range"),
            ("[2001:db8::10]:8099", "range"),
            ("[2001:db8::10]:8100", ""),
        ],
    );
    check(
        &story.world,
        "udp",
        &[("192.0.2.10:8050", ""), ("192.0.2.10:8100", "")],
    );
}

#[test]
fn any_port_is_every_port_of_one_protocol() {
    let story = told::story(
        &config(&[
            ("tcp", r#""192.0.2.10:*/tcp", "[2001:db8::10]:*/tcp""#, ""),
            ("udp", r#""192.0.2.10:*/udp""#, ""),
            ("dns", r#""[2001:db8::10]:53/udp", "192.0.2.99:53/udp""#, ""),
        ]),
        256,
    );
    for port in [1, 53, 80, 32_767, 65_535] {
        let (v4, v6) = (
            format!("192.0.2.10:{port}"),
            format!("[2001:db8::10]:{port}"),
        );
        check(&story.world, "tcp", &[(&v4, "tcp"), (&v6, "tcp")]);
        let dns = if port == 53 { "dns" } else { "" };
        check(&story.world, "udp", &[(&v4, "udp"), (&v6, dns)]);
    }
}

#[test]
fn of_nested_prefixes_the_most_specific_wins() {
    let story = told::story(
        &config(&[
            (
                "wide",
                r#""192.0.2.0/24:*/tcp", "[2001:db8::/32]:*/tcp""#,
                "",
            ),
            (
                "middle",
                r#""192.0.2.16/28:80/tcp", "[2001:db8:1::/48]:80/tcp""#,
                "",
            ),
            (
                "narrow",
                r#""192.0.2.17:80/tcp", "192.0.2.17:1000-1999/tcp", "[2001:db8:1::7]:80/tcp""#,
                "",
            ),
        ]),
        256,
    );
    check(
        &story.world,
        "tcp",
        &[
            ("192.0.1.255:80", ""),
            ("192.0.2.0:80", "wide"),
            ("192.0.2.15:80", "wide"),
            ("192.0.2.16:80", "middle"),
            ("192.0.2.16:81", "wide"),
            ("192.0.2.17:80", "narrow"),
            ("192.0.2.17:81", "wide"),
            ("192.0.2.17:1000", "narrow"),
            ("192.0.2.17:2000", "wide"),
            ("192.0.2.31:80", "middle"),
            ("192.0.2.32:80", "wide"),
            ("192.0.2.255:65535", "wide"),
            ("192.0.3.0:80", ""),
            ("[2001:db7:ffff::1]:80", ""),
            ("[2001:db8::1]:80", "wide"),
            ("[2001:db8:1::1]:80", "middle"),
            ("[2001:db8:1::1]:81", "wide"),
            ("[2001:db8:1::7]:80", "narrow"),
            ("[2001:db8:1::7]:443", "wide"),
            ("[2001:db8:2::7]:80", "wide"),
            ("[2001:db9::1]:80", ""),
        ],
    );
    check(
        &story.world,
        "udp",
        &[("192.0.2.17:80", ""), ("[2001:db8:1::7]:80", "")],
    );
}

#[test]
fn every_address_of_a_prefix_is_a_vip_that_answers_echo() {
    let story = told::story(
        &config(&[(
            "wide",
            r#""192.0.2.0/28:80/tcp", "[2001:db8::/64]:80/tcp""#,
            "",
        )]),
        64,
    );
    for (client, address, expected) in [
        ("198.51.100.7", "192.0.2.0", Reason::Echo),
        ("198.51.100.7", "192.0.2.15", Reason::Echo),
        ("198.51.100.7", "192.0.2.16", Reason::NoService),
        ("2001:db8:c::7", "2001:db8::ffff", Reason::Echo),
        ("2001:db8:c::7", "2001:db8:0:1::", Reason::NoService),
    ] {
        let [client, address] = [client, address].map(|a| a.parse().expect("an address"));
        let sent = send(&story.world, &frames::ping(client, address));
        assert_eq!(sent.seen.reason, expected, "{address}");
    }
}

#[test]
fn established_flows_of_a_prefix_are_found_at_once() {
    let story = told::story(&config(&[("wide", r#""192.0.2.0/24:*/tcp""#, "")]), 64);
    let (client, vip) = (socket(CLIENT), socket("192.0.2.77:7777"));
    for (flags, reason) in [
        ("S", Reason::FlowNew),
        ("A", Reason::FlowHit),
        ("PA", Reason::FlowHit),
    ] {
        let sent = send(
            &story.world,
            &frames::tcp(client, vip, &Segment::new(flags)),
        );
        assert_eq!(sent.seen.reason, reason);
    }
}

#[test]
fn a_removed_range_closes_and_then_is_gone() {
    let both = [(
        "web",
        r#""192.0.2.10:80/tcp", "192.0.2.10:8000-8099/tcp", "192.0.2.32/28:*/tcp""#,
        "",
    )];
    let rest = [("web", r#""192.0.2.10:80/tcp""#, "")];
    let mut story = told::story(&config(&both), 64);
    let segment = |to: &str, flags: &'static str| {
        frames::tcp(socket(CLIENT), socket(to), &Segment::new(flags))
    };
    let reason = |world: &World, to: &str, flags| send(world, &segment(to, flags)).seen.reason;
    for to in ["192.0.2.10:8050", "192.0.2.40:9"] {
        assert_eq!(reason(&story.world, to, "S"), Reason::FlowNew);
        assert_eq!(reason(&story.world, to, "A"), Reason::FlowHit);
    }
    let rest = Config::parse(&config(&rest), "rest.toml").expect("a good file");
    story.world.reconcile(&rest).expect("it fits");
    for to in ["192.0.2.10:8050", "192.0.2.40:9"] {
        assert_eq!(
            reason(&story.world, to, "A"),
            Reason::FlowHit,
            "it lives on"
        );
    }
    for to in ["192.0.2.10:8051", "192.0.2.41:9"] {
        let sent = send(&story.world, &segment(to, "S"));
        assert_eq!(
            (sent.seen.verdict, sent.seen.reason),
            (Verdict::Pass, Reason::Closing)
        );
    }
    // Neither has a live flow any more; the first look may have seen one that had just begun.
    for to in ["192.0.2.10:8050", "192.0.2.40:9"] {
        assert_eq!(reason(&story.world, to, "R"), Reason::FlowHit);
    }
    story.older(11);
    story.world.reconcile(&rest).expect("it fits");
    for to in ["192.0.2.10:8051", "192.0.2.41:9"] {
        assert_eq!(reason(&story.world, to, "S"), Reason::NoService);
    }
    assert_eq!(reason(&story.world, "192.0.2.10:80", "S"), Reason::FlowNew);
}

/// What becomes of a SYN from this client to the one service.
fn admitted(world: &World, client: &str) -> Reason {
    let vip = if client.contains(':') {
        "[2001:db8::10]:80"
    } else {
        "192.0.2.10:80"
    };
    let client = std::net::SocketAddr::new(client.parse().expect("an address"), 40_000);
    let sent = send(world, &frames::tcp(client, socket(vip), &Segment::new("S")));
    if sent.seen.reason == Reason::Denied {
        assert_eq!(sent.seen.verdict, Verdict::Drop);
    }
    sent.seen.reason
}

const WEB: &str = r#""192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp", "192.0.2.10:53/udp""#;

#[test]
fn of_allow_and_deny_the_most_specific_decides() {
    let lists = "allow = [\"198.51.100.0/24\", \"198.51.100.9\", \"2001:db8:c::/48\"]\n\
                 deny = [\"198.51.100.0/28\", \"2001:db8:c:1::/64\"]";
    let story = told::story(&config(&[("web", WEB, lists)]), 256);
    for (client, is_let_in) in [
        ("198.51.99.255", false),
        ("198.51.100.0", false),
        ("198.51.100.8", false),
        ("198.51.100.9", true),
        ("198.51.100.10", false),
        ("198.51.100.15", false),
        ("198.51.100.16", true),
        ("198.51.100.255", true),
        ("198.51.101.0", false),
        ("2001:db8:b:ffff::1", false),
        ("2001:db8:c::7", true),
        ("2001:db8:c:1::7", false),
        ("2001:db8:c:2::", true),
        ("2001:db8:d::", false),
    ] {
        let expected = if is_let_in {
            Reason::FlowNew
        } else {
            Reason::Denied
        };
        assert_eq!(admitted(&story.world, client), expected, "{client}");
    }
    let datagram = frames::udp(
        socket("198.51.100.8:9"),
        socket("192.0.2.10:53"),
        b"question",
    );
    assert_eq!(send(&story.world, &datagram).seen.reason, Reason::Denied);
}

#[test]
fn deny_alone_lets_everybody_else_in() {
    let story = told::story(
        &config(&[("web", WEB, "deny = [\"198.51.100.7\", \"2001:db8:c::/48\"]")]),
        64,
    );
    for (client, expected) in [
        ("198.51.100.6", Reason::FlowNew),
        ("198.51.100.7", Reason::Denied),
        ("198.51.100.8", Reason::FlowNew),
        ("2001:db8:c::7", Reason::Denied),
        ("2001:db8:d::7", Reason::FlowNew),
    ] {
        assert_eq!(admitted(&story.world, client), expected, "{client}");
    }
}

#[test]
fn established_flows_are_not_asked_again() {
    let mut story = told::story(&config(&[("web", WEB, "")]), 64);
    let segment = |flags: &'static str, sequence| {
        frames::tcp(
            socket(CLIENT),
            socket("192.0.2.10:80"),
            &Segment::new(flags).at(sequence),
        )
    };
    send(&story.world, &segment("S", 1));
    send(&story.world, &segment("A", 2));
    let closed = Config::parse(
        &config(&[("web", WEB, "deny = [\"198.51.100.7\"]")]),
        "closed.toml",
    );
    story
        .world
        .reconcile(&closed.expect("a good file"))
        .expect("it fits");
    for (flags, sequence, expected) in [
        ("PA", 2, Reason::FlowHit),
        ("FA", 2, Reason::FlowHit),
        // The same ports again begin a flow, which is asked.
        ("S", 9000, Reason::Denied),
    ] {
        assert_eq!(
            send(&story.world, &segment(flags, sequence)).seen.reason,
            expected,
            "{flags}"
        );
    }
}
