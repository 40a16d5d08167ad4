//! Fragments: later ones follow the first.

use lb_tests::frames::{self, Segment};

use crate::{
    CLIENT, CLIENT6, DNS, DNS_SERVICE, DNS6, DNS6_SERVICE, Service, WEB, WEB_SERVICE, WEB6,
    WEB6_SERVICE, across,
    dialogue::{Dialogue, sockets},
    story::{Story, socket},
    story_of,
};

const LONG: &[u8] = &[7; 101];

fn translated() -> Story {
    story_of(&[WEB_SERVICE, WEB6_SERVICE, DNS_SERVICE, DNS6_SERVICE], 64)
}

/// Puts two fragments that left together again, behind the same IP header.
fn joined(pieces: &[Vec<u8>; 2]) -> Vec<u8> {
    let [first, later] = pieces;
    if first[14] >> 4 == 6 {
        let mut whole = [&first[..54], &first[62..], &later[62..]].concat();
        whole[20] = first[54];
        let len = u16::try_from(whole.len() - 54).expect("a length");
        whole[18..20].copy_from_slice(&len.to_be_bytes());
        return whole;
    }
    let whole = [&first[..], &later[34..]].concat();
    let ends = frames::fragment(&whole, 0, usize::MAX, 0);
    assert_eq!(first[26..34], later[26..34], "addresses");
    ends
}

#[test]
fn under_direct_return() {
    let mut story = Story::new();
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let (client, vip) = (socket(client), socket(vip));
        let [first, later] = frames::fragmented(&frames::udp(client, vip, LONG), 48, 1);
        story.shows("later, early", &later);
        story.shows("first", &first);
        story.shows("later", &later);
        story.shows("later again", &later);
        story.older(3);
        story.shows("later, late", &later);
        story.say("-- the same identification anew");
        story.shows("first", &first);
        story.shows("later", &later);
        let middle = frames::fragment(&frames::udp(client, vip, LONG), 8, 48, 2);
        story.shows("middle of another packet", &middle);
    }
    story.say("-- a segment of a connection");
    story.tcp(CLIENT, WEB, &Segment::new("S").at(1));
    let segment = frames::tcp(
        socket(CLIENT),
        socket(WEB),
        &Segment::new("PA").at(2).with(LONG),
    );
    for (number, piece) in frames::fragmented(&segment, 48, 3).iter().enumerate() {
        story.shows(&format!("fragment {number}"), piece);
    }
    story.say("-- a segment of no connection");
    let segment = frames::tcp(
        socket("198.51.100.9:1"),
        socket(WEB),
        &Segment::new("PA").with(LONG),
    );
    for (number, piece) in frames::fragmented(&segment, 48, 3).iter().enumerate() {
        story.shows(&format!("fragment {number}"), piece);
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn translated_in_both_directions() {
    let mut story = translated();
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let mut flow = Dialogue {
            tags: vec![100],
            ..Dialogue::new(client, vip)
        };
        story.say(&format!("-- {client} > {vip}"));
        let [first, later] = frames::fragmented(&frames::udp(flow.client, flow.vip, LONG), 48, 1);
        let (first, later) = (flow.dressed(&first), flow.dressed(&later));
        story.shows("client, later, early", &later);
        let pieces = [
            story.shows("client, first", &first),
            story.shows("client, later", &later),
        ];
        let (ours, backend) = sockets(&joined(&pieces)).expect("ends");
        crate::story::sound::assert_sound("both together", &joined(&pieces));
        flow.ends = Some((backend, ours));
        let [first, later] = frames::fragmented(&frames::udp(backend, ours, LONG), 48, 9);
        story.shows("backend, later, early", &later);
        let pieces = [
            story.shows("backend, first", &first),
            story.shows("backend, later", &later),
        ]
        .map(|frame| [&frame[..12], &frame[16..]].concat());
        crate::story::sound::assert_sound("both together", &joined(&pieces));
        assert_eq!(sockets(&joined(&pieces)), Some((flow.vip, flow.client)));
        flow.queries(&mut story);
        flow.responds(&mut story);
    }
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = Dialogue::new(client, vip);
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        flow.asks(&mut story, &Segment::new("A").at(2));
        let segment = Segment::new("PA").at(2).with(LONG);
        let pieces = frames::fragmented(&frames::tcp(flow.client, flow.vip, &segment), 56, 1);
        let pieces = pieces.map(|piece| story.shows("client", &piece));
        crate::story::sound::assert_sound("both together", &joined(&pieces));
        let (backend, ours) = flow.ends.expect("a backend");
        let pieces = frames::fragmented(&frames::tcp(backend, ours, &segment), 56, 1);
        let pieces = pieces.map(|piece| story.shows("backend", &piece));
        crate::story::sound::assert_sound("both together", &joined(&pieces));
    }
    insta::assert_snapshot!(story.told());
}

/// The identification of a fragment that left.
fn identification(frame: &[u8]) -> u32 {
    if frame[14] >> 4 == 6 {
        return u32::from_be_bytes([frame[58], frame[59], frame[60], frame[61]]);
    }
    u32::from(u16::from_be_bytes([frame[18], frame[19]]))
}

/// What is put together from the pieces that left is what would have left of the whole packet.
#[test]
fn between_the_families() {
    let mut story = across::services();
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = Dialogue::new(client, vip);
        let query = frames::udp(flow.client, flow.vip, LONG);
        let pieces = frames::fragmented(&query, 48, 0x1234);
        story.shows("client, later, early", &pieces[1]);
        let pieces = pieces.map(|piece| story.shows("client", &piece));
        assert_eq!(
            pieces.each_ref().map(|piece| identification(piece)),
            [0x1234; 2]
        );
        crate::story::sound::assert_sound("both together", &joined(&pieces));
        let (ours, backend) = sockets(&joined(&pieces)).expect("ends");
        assert_ne!(backend.is_ipv4(), flow.vip.is_ipv4());
        flow.ends = Some((backend, ours));
        let answer = frames::udp(backend, ours, LONG);
        let pieces = frames::fragmented(&answer, 48, 0x4321);
        let pieces = pieces.map(|piece| story.shows("backend", &piece));
        assert_eq!(
            pieces.each_ref().map(|piece| identification(piece)),
            [0x4321; 2]
        );
        crate::story::sound::assert_sound("both together", &joined(&pieces));
        assert_eq!(sockets(&joined(&pieces)), Some((flow.vip, flow.client)));
        for from in [8, 40] {
            let middle = frames::fragment(&answer, from, from + 16, 0x4321);
            story.shows(&format!("backend, bytes {from} and on"), &middle);
        }
    }
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        story.say(&format!("-- {client} > {vip}"));
        let mut flow = Dialogue {
            tags: vec![100],
            ..Dialogue::new(client, vip)
        };
        flow.asks(&mut story, &Segment::new("S").at(1));
        flow.answers(&mut story, &Segment::new("SA").at(70));
        flow.asks(&mut story, &Segment::new("A").at(2));
        let segment = Segment::new("PA").at(2).with(LONG);
        let pieces = frames::fragmented(&frames::tcp(flow.client, flow.vip, &segment), 56, 1);
        let pieces = pieces.map(|piece| story.shows("client", &flow.dressed(&piece)));
        crate::story::sound::assert_sound("both together", &joined(&pieces));
    }
    insta::assert_snapshot!(story.told());
}

/// IPv6 headers are longer, and a fragment has one more: the way may not take it.
#[test]
fn between_the_families_a_fragment_must_fit() {
    let mut story = across::services();
    let (client, vip) = (socket(CLIENT), socket(DNS));
    let query = frames::udp(client, vip, &[7; 2000]);
    for len in [1448, 1456] {
        story.shows(
            &format!("first, {len} bytes behind the header"),
            &frames::fragment(&query, 0, len, 1),
        );
        story.shows(
            &format!("later, {len} bytes behind the header"),
            &frames::fragment(&query, 8, 8 + len, 1),
        );
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn between_the_families_an_atomic_fragment_keeps_its_identification() {
    let mut story = across::services();
    let mut flow = Dialogue::new(CLIENT6, DNS6);
    let query = frames::udp(flow.client, flow.vip, &[7; 1300]);
    let left = flow.request(&mut story, "not atomic", &query);
    assert_eq!((identification(&left), left[20] & 0x40), (0, 0x40));
    let atomic = frames::fragment(&query, 0, usize::MAX, 0x1234);
    let left = flow.request(&mut story, "atomic", &atomic);
    assert_eq!((identification(&left), left[20] & 0x40), (0x1234, 0));
    insta::assert_snapshot!(story.told());
}

#[test]
fn tiny_and_overlapping() {
    let mut story = Story::new();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        let segment = frames::tcp(socket(client), socket(vip), &Segment::new("S").at(1));
        story.shows("first of 8 bytes", &frames::fragment(&segment, 0, 8, 1));
        story.shows("first of 16 bytes", &frames::fragment(&segment, 0, 16, 2));
        story.shows(
            "SYN alone, more to come",
            &frames::fragment(
                &frames::tcp(
                    socket(client),
                    socket(vip),
                    &Segment::new("S").at(1).with(LONG),
                ),
                0,
                24,
                3,
            ),
        );
        story.shows(
            "from byte 8 on",
            &frames::fragment(&segment, 8, usize::MAX, 3),
        );
    }
    for (client, vip) in [(CLIENT, DNS), (CLIENT6, DNS6)] {
        let query = frames::udp(socket(client), socket(vip), LONG);
        story.shows("UDP, first of 0 bytes", &frames::fragment(&query, 0, 0, 4));
        story.shows("UDP, first of 8 bytes", &frames::fragment(&query, 0, 8, 5));
        story.shows(
            "UDP, from byte 8 on",
            &frames::fragment(&query, 8, usize::MAX, 5),
        );
        story.say("-- a second first fragment that names another flow");
        let mut other = socket(client);
        other.set_port(40_001);
        let second = frames::udp(other, socket(vip), LONG);
        story.shows("UDP, first again", &frames::fragment(&second, 0, 8, 5));
        story.shows(
            "UDP, the same first again",
            &frames::fragment(&query, 0, 8, 5),
        );
        story.older(3);
        story.say("-- the identification comes round");
        story.shows("UDP, first", &frames::fragment(&second, 0, 8, 5));
        story.shows("UDP, later", &frames::fragment(&second, 8, usize::MAX, 5));
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn an_atomic_fragment_is_a_whole_packet() {
    let mut story = translated();
    let mut flow = Dialogue::new(CLIENT6, DNS6);
    let query = frames::udp(flow.client, flow.vip, b"question");
    let atomic = frames::fragment(&query, 0, usize::MAX, 7);
    assert_eq!(atomic.len(), query.len() + 8);
    flow.request(&mut story, "client, atomic", &atomic);
    flow.request(&mut story, "client, atomic, again", &atomic);
    let (backend, ours) = flow.ends.expect("a backend");
    let answer = frames::udp(backend, ours, b"answer");
    flow.response(
        &mut story,
        "backend, atomic",
        &frames::fragment(&answer, 0, usize::MAX, 7),
    );
    insta::assert_snapshot!(story.told());
}

#[test]
fn to_nobody_they_are_the_host_s() {
    let mut story = translated();
    for (client, own) in [(CLIENT, "10.0.1.1:2000"), (CLIENT6, "[2001:db8:1::1]:2000")] {
        let frame = frames::udp(socket(client), socket(own), LONG);
        for (number, piece) in frames::fragmented(&frame, 48, 1).iter().enumerate() {
            story.shows(&format!("fragment {number}"), piece);
        }
    }
    insta::assert_snapshot!(story.told());
}

/// Two flows of a client to one backend have two source addresses: a packet with pieces of both is nobody's.
#[test]
fn a_second_first_fragment_from_another_source_address() {
    let mut story = story_of(
        &[Service(
            "dns",
            r#""192.0.2.53:53/udp""#,
            "forward = \"nat\"\nnat_source = [\"10.0.1.1\", \"10.0.1.2\"]",
            &[("dns-1", "10.0.1.11")],
        )],
        64,
    );
    let vip = socket(DNS);
    for port in 1..=6 {
        let query = frames::udp(socket(&format!("198.51.100.7:{port}")), vip, LONG);
        story.shows(
            &format!("first of port {port}"),
            &frames::fragment(&query, 0, 48, 5),
        );
    }
    insta::assert_snapshot!(story.told());
}
