//! VLAN tags: 802.1Q (0x8100), and 802.1ad (0x88a8) around it. A frame leaves with the tags of the way it takes,
//! whatever it came with; what goes back goes back as it came.

#[allow(dead_code, reason = "each story uses some of it")]
mod story;
#[allow(dead_code, reason = "each story uses some of it")]
mod told;

use std::net::SocketAddr;

use lb_common::{Backend, Map, Reason};
use lb_ebpf::verdict::Verdict;
use lb_tests::{
    decoded::{IpPacket, Transport},
    engines::World,
    frames::{self, CLIENT_MAC, OUR_MAC, Segment},
};
use story::socket;
use told::send;

type Tags = &'static [(u16, u16)];

const TAGS: [Tags; 4] = [
    &[],
    &[(0x8100, 100)],
    &[(0x88a8, 100), (0x8100, 200)],
    &[(0x8100, 300)],
];
const CLIENTS: [&str; 2] = ["198.51.100.7:40000", "[2001:db8:c::7]:40000"];
const WEB: [&str; 2] = ["192.0.2.10:80", "[2001:db8::10]:80"];
const DNS: [&str; 2] = ["192.0.2.10:53", "[2001:db8::10]:53"];

fn config(forward: &str) -> String {
    format!(
        r#"
        [[interface]]
        name = "lo"
        [[service]]
        name = "web"
        listen = ["192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp", "192.0.2.10:53/udp", "[2001:db8::10]:53/udp"]
        forward = "{forward}"
        [[service.backend]]
        name = "web-1"
        address = "10.0.1.11"
        "#
    )
}

fn leave_with(world: &World, tags: Tags) {
    let mut to = [0; 2];
    for (to, (_, vlan)) in to.iter_mut().zip(tags) {
        *to = vlan.to_be();
    }
    world.change::<Backend>(Map::Backends, world.backend_number("web-1").into(), |b| {
        b.tags = to;
    });
}

/// The client's port makes each journey a flow of its own.
fn client(family: usize, number: usize) -> SocketAddr {
    let mut client = socket(CLIENTS[family]);
    client.set_port(40_000 + u16::try_from(number).expect("a few journeys"));
    client
}

#[test]
fn under_direct_return_only_the_front_changes() {
    let story = told::story(&config("dsr"), 256);
    let mut journey = 0;
    for came in TAGS {
        for left in TAGS {
            leave_with(&story.world, left);
            for family in 0..2 {
                journey += 1;
                let client = client(family, journey);
                let web = socket(WEB[family]);
                for frame in [
                    frames::tcp(client, web, &Segment::new("S")),
                    frames::tcp(client, web, &Segment::new("A")),
                    frames::tcp(client, web, &Segment::new("PA").with(b"odd")),
                    frames::udp(client, socket(DNS[family]), b"question"),
                ] {
                    let sent = send(&story.world, &tagged(&frame, came));
                    let decoded = sent.frame();
                    assert_eq!(sent.seen.verdict, Verdict::Tx);
                    assert_eq!(decoded.tags, left, "{came:?}");
                    assert_eq!(decoded.to, [2, 0, 0, 0, 0xbe, 11]);
                    assert_eq!(decoded.from, [2, 0, 0, 0, 1, 0x1b]);
                    assert_eq!(decoded.inner().bytes, frame[14..], "{came:?} > {left:?}");
                }
            }
        }
    }
}

#[test]
fn a_frame_with_padding_keeps_it_behind_the_packet() {
    let story = told::story(&config("dsr"), 64);
    leave_with(&story.world, TAGS[1]);
    let mut padded = frames::tcp(socket(CLIENTS[0]), socket(WEB[0]), &Segment::new("S"));
    padded.resize(60, 0xee);
    let sent = send(&story.world, &tagged(&padded, TAGS[2]));
    assert_eq!(sent.frame().tags, TAGS[1]);
    assert_eq!(sent.seen.frame[18..], padded[14..]);
}

/// The ends of an answer to a packet.
fn turned(packet: &IpPacket) -> (SocketAddr, SocketAddr) {
    let (Transport::Tcp { ports, .. } | Transport::Udp { ports, .. }) = packet.transport else {
        panic!("no ports: {packet}");
    };
    (
        SocketAddr::new(packet.destination, ports[1]),
        SocketAddr::new(packet.source, ports[0]),
    )
}

#[test]
fn translated_answers_go_back_with_the_tags_of_the_request() {
    let story = told::story(&config("nat"), 512);
    let mut journey = 0;
    for came in &TAGS[..3] {
        for between in TAGS {
            leave_with(&story.world, between);
            for family in 0..2 {
                journey += 1;
                let client = client(family, journey);
                let (web, dns) = (socket(WEB[family]), socket(DNS[family]));
                let steps = [
                    ("S", "SA", Reason::FlowNew),
                    ("A", "A", Reason::FlowHit),
                    ("PA", "PA", Reason::FlowHit),
                ];
                for (there, back, reason) in steps {
                    let request = frames::tcp(client, web, &Segment::new(there).with(b"ask"));
                    let sent = send(&story.world, &tagged(&request, came));
                    assert_eq!(
                        (sent.seen.reason, &sent.frame().tags[..]),
                        (reason, between)
                    );
                    let (from, to) = turned(sent.frame().inner());
                    let answer = frames::tcp(from, to, &Segment::new(back).with(b"tell"));
                    check_answer(&story.world, &answer, between, came, (web, client));
                }
                let sent = send(
                    &story.world,
                    &tagged(&frames::udp(client, dns, b"ask"), came),
                );
                let (from, to) = turned(sent.frame().inner());
                let answer = frames::udp(from, to, b"tell");
                check_answer(&story.world, &answer, between, came, (dns, client));
            }
        }
    }
}

/// An answer that comes with the tags of the backend's side leaves with those of the client's, to whom it came from.
fn check_answer(
    world: &World,
    answer: &[u8],
    between: Tags,
    came: Tags,
    (from, to): (SocketAddr, SocketAddr),
) {
    let sent = send(world, &tagged(answer, between));
    assert_eq!(sent.seen.reason, Reason::FlowReply);
    let decoded = sent.frame();
    assert_eq!(decoded.tags, came);
    assert_eq!((decoded.to, decoded.from), (CLIENT_MAC, OUR_MAC));
    let packet = decoded.inner();
    assert_eq!((packet.source, packet.destination), (from.ip(), to.ip()));
    assert_eq!(turned(packet), (to, from));
}

#[test]
fn a_tag_s_priority_is_no_part_of_its_vlan() {
    let story = told::story(&config("nat"), 64);
    let (client, web) = (socket(CLIENTS[0]), socket(WEB[0]));
    // Priority 5, drop eligible.
    let request = tagged(
        &frames::tcp(client, web, &Segment::new("S")),
        &[(0x8100, 0xb000 | 100)],
    );
    let (from, to) = turned(send(&story.world, &request).frame().inner());
    let answer = frames::tcp(from, to, &Segment::new("SA"));
    check_answer(&story.world, &answer, &[], TAGS[1], (web, client));
}

#[test]
fn resets_keep_the_tags() {
    let story = told::story(&config("dsr"), 64);
    for tags in TAGS {
        for family in 0..2 {
            let (client, web) = (socket(CLIENTS[family]), socket(WEB[family]));
            let stray = frames::tcp(client, web, &Segment::new("PA").with(b"odd"));
            let sent = send(&story.world, &tagged(&stray, tags));
            assert_eq!(sent.seen.reason, Reason::ResetNoFlow);
            let decoded = sent.frame();
            assert_eq!(decoded.tags, tags);
            assert_eq!((decoded.to, decoded.from), (CLIENT_MAC, OUR_MAC));
            assert_eq!(turned(decoded.inner()), (client, web));
        }
    }
}

#[test]
fn echo_replies_keep_the_tags() {
    let story = told::story(&config("dsr"), 64);
    for tags in TAGS {
        for family in 0..2 {
            let (client, web) = (socket(CLIENTS[family]).ip(), socket(WEB[family]).ip());
            let request = frames::ping(client, web);
            let sent = send(&story.world, &tagged(&request, tags));
            assert_eq!(
                (sent.seen.verdict, sent.seen.reason),
                (Verdict::Tx, Reason::Echo)
            );
            let decoded = sent.frame();
            assert_eq!(decoded.tags, tags);
            assert_eq!((decoded.to, decoded.from), (CLIENT_MAC, OUR_MAC));
            let packet = decoded.inner();
            assert_eq!((packet.source, packet.destination), (web, client));
            let Transport::Icmp { kind, body, .. } = &packet.transport else {
                panic!("no ICMP: {packet}");
            };
            assert_eq!(*kind, [[0, 0], [129, 0]][family]);
            assert_eq!(body, b"ping");
        }
    }
}

/// The frame with these tags.
fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags: Vec<u16> = tags.iter().map(|(_, tag)| *tag).collect();
    frames::tagged(frame, &tags)
}
