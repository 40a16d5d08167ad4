//! Frames of 8 KB, which the kernel holds in several pieces, through the programs for jumbo frames and on the host.

use std::net::SocketAddr;

use lb_agent::config::Config;
use lb_common::Reason;
use lb_ebpf::verdict::Verdict;
use lb_tests::{
    engines::{INGRESS, Seen, World},
    frames::{self, Segment, with_hops},
};

const FORWARDS: [&str; 4] = [
    "forward = \"dsr\"",
    "forward = \"nat\"",
    "forward = \"ipip\"",
    "forward = \"gue\"",
];

/// The world of one service whose backend is reached by the interface that frames come by.
fn world(lines: &str) -> World {
    let text = format!(
        r#"
        [[interface]]
        name = "lo"
        [[service]]
        name = "web"
        listen = ["192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp", "192.0.2.10:53/udp"]
        {lines}
        [[service.backend]]
        name = "web-4"
        address = "10.0.1.11"
        "#
    );
    let config = Config::parse(&text, "test.toml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    World::jumbo(&config, 64).expect("run this as root: `cargo xtask test`")
}

fn ends(v6: bool) -> (SocketAddr, SocketAddr) {
    let (client, vip) = if v6 {
        ("[2001:db8:c::7]:40000", "[2001:db8::10]:80")
    } else {
        ("198.51.100.7:40000", "192.0.2.10:80")
    };
    let parse = |text: &str| text.parse().expect("an address and a port");
    (parse(client), parse(vip))
}

/// Bytes that no two places share within a page.
fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at.wrapping_mul(40_503) >> 8) as u8)
        .collect()
}

fn segment(v6: bool, len: usize) -> Vec<u8> {
    let (client, vip) = ends(v6);
    let data = Segment::new("PA").at(1001).with(&bytes(len));
    frames::tcp(client, vip, &data)
}

#[track_caller]
fn run(world: &World, frame: &[u8]) -> Seen {
    world.run(frame).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn large_segments_follow_their_flow_by_every_way() {
    for forward in FORWARDS {
        let world = world(forward);
        for v6 in [false, true] {
            let (client, vip) = ends(v6);
            let syn = run(&world, &frames::tcp(client, vip, &Segment::new("S")));
            assert_eq!(syn.reason, Reason::FlowNew, "{forward}");
            let frame = segment(v6, 8000);
            let sent = run(&world, &frame);
            assert_eq!(sent.reason, Reason::FlowHit, "{forward}");
            assert_eq!(sent.verdict, Verdict::Tx, "{forward}");
            assert!(sent.frame.ends_with(&bytes(8000)), "{forward}");
            assert!(sent.frame.len() + 20 >= frame.len(), "{forward}");
        }
    }
}

#[test]
fn a_large_datagram_begins_a_flow() {
    let world = world("forward = \"dsr\"");
    let (client, _) = ends(false);
    let vip = "192.0.2.10:53".parse().unwrap();
    let seen = run(&world, &frames::udp(client, vip, &bytes(8192)));
    assert_eq!((seen.verdict, seen.reason), (Verdict::Tx, Reason::FlowNew));
}

#[test]
fn answers_are_cut_from_large_frames() {
    for v6 in [false, true] {
        let ip = if v6 { 40 } else { 20 };
        // Nobody's flow.
        let world = world("forward = \"dsr\"");
        let seen = run(&world, &segment(v6, 8000));
        assert_eq!(
            (seen.verdict, seen.reason),
            (Verdict::Tx, Reason::ResetNoFlow)
        );
        assert_eq!(seen.frame.len(), 14 + ip + 20);

        // Longer than the tunnel takes, and at its last hop.
        for (forward, frame, reason) in [
            (
                "forward = \"ipip\"\nmtu = 8000",
                segment(v6, 8000),
                Reason::TooBig,
            ),
            (
                "forward = \"nat\"",
                with_hops(&segment(v6, 8000), 1),
                Reason::Expired,
            ),
        ] {
            let world = self::world(forward);
            let (client, vip) = ends(v6);
            run(&world, &frames::tcp(client, vip, &Segment::new("S")));
            let seen = run(&world, &frame);
            assert_eq!((seen.verdict, seen.reason), (Verdict::Tx, reason));
            assert_eq!(seen.frame.len(), 14 + ip + 8 + 128);
        }
    }
}

#[test]
fn a_frame_shorter_than_it_says_is_dropped() {
    let world = world("forward = \"dsr\"");
    let mut frame = segment(false, 8000);
    frame.truncate(6000);
    let seen = run(&world, &frame);
    assert_eq!(
        (seen.verdict, seen.reason),
        (Verdict::Drop, Reason::BadLength)
    );
}

#[test]
fn small_frames_are_as_ever() {
    let world = world("forward = \"dsr\"");
    let (client, vip) = ends(false);
    let seen = run(&world, &frames::tcp(client, vip, &Segment::new("S")));
    assert_eq!(seen.reason, Reason::FlowNew);
    let explained = world.dry_run(&segment(false, 100)).unwrap();
    assert_eq!(explained.reason, Reason::FlowHit as u32);
    assert_eq!(explained.ifindex, INGRESS);
}
