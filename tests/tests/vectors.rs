//! Packet vectors as stories. Each frame runs on the host and in the kernel, which must agree in verdict, bytes,
//! counters, flows and tickets; then the story is compared with the one on record. What a step does not mention did
//! not change.

mod story;

use lb_common::Backend;
use lb_tests::frames::{self, Segment};
use story::{Story, socket};

const CLIENT: &str = "198.51.100.7:40000";
const CLIENT6: &str = "[2001:db8:c::7]:40000";
const WEB: &str = "192.0.2.10:80";
const WEB6: &str = "[2001:db8::10]:80";
const DNS: &str = "192.0.2.53:53";
const DNS6: &str = "[2001:db8::53]:53";

const ALL: u8 = Backend::USED | Backend::ACCEPTS | Backend::SERVES | Backend::REACHABLE;

fn syn(sequence: u32) -> Segment {
    Segment::new("S").at(sequence)
}

#[test]
fn new_flows_go_round_by_weight_over_both_families() {
    let mut story = Story::new();
    for port in 40_000..40_006 {
        story.tcp(&format!("198.51.100.7:{port}"), WEB, &syn(1));
    }
    for port in 40_000..40_003 {
        story.tcp(&format!("[2001:db8:c::7]:{port}"), WEB6, &syn(1));
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_connection_s_whole_life() {
    let mut story = Story::new();
    story
        .tcp(CLIENT, WEB, &syn(1))
        .tcp(CLIENT, WEB, &syn(1))
        .tcp(CLIENT, WEB, &Segment::new("A").at(2))
        .tcp(
            CLIENT,
            WEB,
            &Segment::new("PA").at(2).with(b"GET / HTTP/1.1\r\n\r\n"),
        )
        .tcp(CLIENT, WEB, &syn(77))
        .tcp(CLIENT, WEB, &Segment::new("FA").at(20))
        .tcp(CLIENT, WEB, &Segment::new("A").at(21))
        .say("-- the same port again at once")
        .tcp(CLIENT, WEB, &syn(9000))
        .tcp(
            CLIENT,
            WEB,
            &Segment {
                options: true,
                ..Segment::new("A").at(9001)
            },
        )
        .tcp(CLIENT, WEB, &Segment::new("R").at(9001))
        .tcp(CLIENT, WEB, &syn(12_000));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_second_attempt_of_the_client_is_a_new_choice() {
    let mut story = Story::new();
    story
        .tcp(CLIENT6, WEB6, &syn(1))
        .tcp(CLIENT6, WEB6, &syn(2))
        .tcp(CLIENT6, WEB6, &syn(2));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_stale_connection_keeps_its_backend_until_a_syn_comes() {
    let mut story = Story::new();
    story
        .tcp(CLIENT, WEB, &syn(1))
        .tcp(CLIENT, WEB, &Segment::new("A").at(2))
        .older(61)
        .tcp(CLIENT, WEB, &Segment::new("A").at(2))
        .older(61)
        .tcp(CLIENT, WEB, &syn(500));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_backend_that_may_no_longer_serve() {
    let mut story = Story::new();
    story
        .tcp(CLIENT, WEB, &syn(1))
        .tcp(CLIENT, WEB, &Segment::new("A").at(2))
        .udp(CLIENT, DNS)
        .allow(
            "web-1",
            Backend::USED | Backend::REACHABLE,
            "web-1 may not serve",
        )
        .allow(
            "dns-1",
            Backend::USED | Backend::REACHABLE,
            "dns-1 may not serve",
        )
        .tcp(CLIENT, WEB, &Segment::new("PA").at(2).with(b"hello"))
        .tcp(CLIENT, WEB, &Segment::new("F").at(7))
        .tcp(CLIENT, WEB, &Segment::new("R").at(7))
        .udp(CLIENT, DNS)
        .udp(CLIENT, DNS)
        .tcp(CLIENT, WEB, &syn(900))
        .tcp(CLIENT, WEB, &Segment::new("A").at(901));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_drained_backend_keeps_its_flows_and_gets_none() {
    let mut story = Story::new();
    story
        .tcp(CLIENT, WEB, &syn(1))
        .allow(
            "web-1",
            ALL & !Backend::ACCEPTS,
            "web-1 is drained; its ring slots are still there",
        )
        .tcp(CLIENT, WEB, &Segment::new("A").at(2));
    for port in 40_001..40_004 {
        story.tcp(&format!("198.51.100.7:{port}"), WEB, &syn(1));
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn no_backend_at_all() {
    let mut story = Story::new();
    for name in ["web-1", "web-2", "dns-1", "dns-2"] {
        story.allow(name, Backend::USED, &format!("{name} may do nothing"));
    }
    story
        .tcp(CLIENT, WEB, &syn(1))
        .tcp(
            CLIENT6,
            WEB6,
            &Segment {
                options: true,
                ..syn(u32::MAX)
            },
        )
        .udp(CLIENT, DNS)
        .udp(CLIENT6, DNS6);
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_backend_without_next_hop() {
    let mut story = Story::new();
    story
        .tcp(CLIENT, WEB, &syn(1))
        .allow(
            "web-1",
            ALL & !Backend::REACHABLE,
            "web-1 has no next hop any more",
        )
        .tcp(CLIENT, WEB, &Segment::new("A").at(2))
        .tcp("198.51.100.7:40001", WEB, &syn(1));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_slot_that_was_given_to_another_backend() {
    let mut story = Story::new();
    story.tcp(CLIENT, WEB, &syn(1));
    let number = story.world.backend_number("web-1");
    story
        .world
        .change::<Backend>(lb_common::Map::Backends, u32::from(number), |backend| {
            backend.incarnation += 1
        });
    story
        .say("-- web-1's number now stands for another backend")
        .tcp(CLIENT, WEB, &Segment::new("A").at(2))
        .tcp(CLIENT, WEB, &syn(2));
    insta::assert_snapshot!(story.told());
}

#[test]
fn mid_flow_packets_without_a_flow_are_answered_and_resets_are_not() {
    let mut story = Story::new();
    for flags in ["A", "PA", "SA", "FA", "F", "", "RA", "R", "U"] {
        story.tcp(CLIENT, WEB, &Segment::new(flags)).tcp(
            CLIENT6,
            WEB6,
            &Segment::new(flags).with(b"12345"),
        );
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn udp_flows_end_when_idle() {
    let mut story = Story::new();
    story
        .udp(CLIENT, DNS)
        .udp(CLIENT, DNS)
        .udp(CLIENT6, DNS6)
        .older(9)
        .udp(CLIENT, DNS)
        .older(11)
        .udp(CLIENT, DNS);
    insta::assert_snapshot!(story.told());
}

#[test]
fn what_is_not_ours_passes_untouched() {
    let mut story = Story::new();
    let (client, web) = (socket(CLIENT), socket(WEB));
    let (client6, web6) = (socket(CLIENT6), socket(WEB6));
    let good = frames::tcp(client, web, &syn(1));
    story
        .tcp(CLIENT, "192.0.2.10:81", &syn(1))
        .tcp(CLIENT, "192.0.2.11:80", &syn(1))
        .udp(CLIENT, WEB)
        .tcp(CLIENT, DNS, &syn(1))
        .frame("ARP", &with(&good, 12, &[0x08, 0x06]))
        .frame("broadcast MAC", &with(&good, 0, &[0xff; 6]))
        .frame(
            "multicast MAC",
            &with(&good, 0, &[0x01, 0x00, 0x5e, 0, 0, 1]),
        );
    story
        .frame(
            "echo request to nobody",
            &frames::ping(client.ip(), "192.0.2.11".parse().expect("an address")),
        )
        .frame(
            "a fragment to nobody",
            &with(
                &frames::udp(client, socket("192.0.2.11:53"), b"x"),
                20,
                &[0x00, 0x10],
            ),
        );
    let good = frames::tcp(client6, web6, &syn(1));
    for (name, next_header) in [
        ("ESP", 50),
        ("no next header", 59),
        ("SCTP", 132),
        ("ICMP in IPv6", 1),
    ] {
        story.frame(&format!("IPv6 {name}"), &with(&good, 20, &[next_header]));
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn malformed_packets_are_dropped_by_reason() {
    let mut story = Story::new();
    let good = frames::tcp(socket(CLIENT), socket(WEB), &syn(1));
    story
        .frame("IPv4 version 5", &with(&good, 14, &[0x55]))
        .frame("IPv4 header of 16 bytes", &with(&good, 14, &[0x44]))
        .frame("total length past the frame", &with(&good, 16, &[0, 41]))
        .frame("total length inside the header", &with(&good, 16, &[0, 19]))
        .frame(
            "total length inside the TCP header",
            &with(&good, 16, &[0, 39]),
        )
        .frame("TCP header of 16 bytes", &with(&good, 46, &[0x40]))
        .frame("TCP header past the packet", &with(&good, 46, &[0x60]))
        .frame("SYN and FIN", &with(&good, 47, &[0x03]))
        .frame("SYN and RST", &with(&good, 47, &[0x06]));
    let good = frames::udp(socket(CLIENT), socket(DNS), b"question");
    story
        .frame("UDP length 7", &with(&good, 38, &[0, 7]))
        .frame("UDP length past the packet", &with(&good, 38, &[0, 17]))
        .frame("UDP in 7 bytes", &with(&good, 16, &[0, 27]));
    let good = frames::tcp(socket(CLIENT6), socket(WEB6), &syn(1));
    story
        .frame("IPv6 version 4", &with(&good, 14, &[0x40]))
        .frame("payload length past the frame", &with(&good, 18, &[0, 21]))
        .frame(
            "payload length inside the TCP header",
            &with(&good, 18, &[0, 19]),
        );
    insta::assert_snapshot!(story.told());
}

#[test]
fn every_length_of_a_frame_is_safe() {
    let mut story = Story::new();
    for good in [
        frames::tcp(socket(CLIENT), socket(WEB), &syn(1)),
        frames::tcp(socket(CLIENT6), socket(WEB6), &Segment::new("A")),
        frames::udp(socket(CLIENT), socket(DNS), b""),
    ] {
        for len in 14..good.len() {
            let seen = story
                .world
                .run(&good[..len])
                .unwrap_or_else(|error| panic!("{len} bytes: {error:#}"));
            assert_eq!(
                seen.verdict,
                lb_ebpf::verdict::Verdict::Drop,
                "{len} bytes: {:?}",
                seen.reason
            );
        }
    }
    story.say("every shorter frame was dropped");
}

#[test]
fn trailing_bytes_are_none_of_the_packet_s() {
    let mut story = Story::new();
    let mut padded = frames::tcp(socket(CLIENT), socket(WEB), &Segment::new("FA"));
    padded.resize(64, 0xee);
    story.frame("a FIN padded to 64 bytes, no flow", &padded);
    let mut padded = frames::tcp(
        socket(CLIENT6),
        socket(WEB6),
        &Segment::new("").with(b"abc"),
    );
    padded.resize(100, 0xee);
    story.frame(
        "no flags, three bytes, padded to 100 bytes, no flow",
        &padded,
    );
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_full_table_forgets_the_flow_that_was_quiet_longest_and_says_so() {
    let mut story = Story::with_flows(8);
    for port in 1..=8 {
        story.tcp(&format!("198.51.100.7:{port}"), WEB, &syn(1));
        story.older(1);
    }
    story
        .say("-- the table is full: the next flow takes the place of port 1's")
        .tcp("198.51.100.7:9", WEB, &syn(1))
        .tcp("198.51.100.7:2", WEB, &Segment::new("A").at(2))
        .tcp("198.51.100.7:1", WEB, &Segment::new("A").at(2))
        .say("-- a flow that is closed goes before older ones that live")
        .tcp("198.51.100.7:8", WEB, &Segment::new("FA").at(2))
        .older(11)
        .tcp("198.51.100.7:10", WEB, &syn(1))
        .tcp("198.51.100.7:3", WEB, &Segment::new("A").at(2))
        .tcp("198.51.100.7:8", WEB, &Segment::new("A").at(3));
    insta::assert_snapshot!(story.told());
}

#[test]
fn a_flood_of_syns_costs_no_established_flow_its_place() {
    let mut story = Story::with_flows(8);
    for port in 1..=6 {
        let client = format!("198.51.100.7:{port}");
        story
            .tcp(&client, WEB, &syn(1))
            .tcp(&client, WEB, &Segment::new("A").at(2));
    }
    story
        .older(30)
        .say("-- nobody knows these, and they come to nothing");
    for port in 1..=12 {
        story
            .tcp(&format!("203.0.113.9:{port}"), WEB, &syn(1))
            .older(1);
    }
    story.say("-- the established flows are where they were");
    for port in 1..=6 {
        story.tcp(
            &format!("198.51.100.7:{port}"),
            WEB,
            &Segment::new("A").at(2),
        );
    }
    insta::assert_snapshot!(story.told());
}

/// The frame with other bytes at `at`.
fn with(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = frame.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed
}
