//! IP options and IPv6 extension headers are looked through.

use lb_tests::frames::{self, Segment};

use crate::{
    CLIENT, CLIENT6, DNS_SERVICE, DNS6_SERVICE, WEB, WEB_SERVICE, WEB6, WEB6_SERVICE,
    dialogue::Dialogue,
    story::{Story, socket},
    story_of,
};

const NOPS: &[u8] = &[1, 1, 1, 1];
const MANY_NOPS: &[u8] = &[1; 40];
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// The segment behind options or extension headers, in several ways.
fn behind(client: &str, vip: &str, segment: &Segment) -> Vec<(String, Vec<u8>)> {
    let frame = frames::tcp(socket(client), socket(vip), segment);
    if socket(client).is_ipv4() {
        return [NOPS, MANY_NOPS]
            .into_iter()
            .map(|options| {
                let what = format!(
                    "{} behind {} bytes of options",
                    segment.flags,
                    options.len()
                );
                (what, frames::with_options(&frame, options))
            })
            .collect();
    }
    let all = [
        &[DESTINATION][..],
        &[HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION],
        &[FRAGMENT],
        &[HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT, DESTINATION],
    ];
    all.into_iter()
        .map(|kinds| {
            let what = format!("{} behind {kinds:?}", segment.flags);
            (what, frames::with_extensions(&frame, kinds))
        })
        .collect()
}

#[test]
fn under_direct_return() {
    let mut story = Story::new();
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        for flags in ["S", "A", "FA"] {
            for (what, frame) in behind(client, vip, &Segment::new(flags)) {
                story.shows(&what, &frame);
            }
        }
    }
    story.say("-- nobody's flows are reset behind them as well");
    for (client, vip) in [("198.51.100.9:1", WEB), ("[2001:db8:c::9]:1", WEB6)] {
        for flags in ["A", "R"] {
            for (what, frame) in behind(client, vip, &Segment::new(flags).with(b"odd")) {
                story.shows(&what, &frame);
            }
        }
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn translated() {
    let mut story = story_of(&[WEB_SERVICE, WEB6_SERVICE, DNS_SERVICE, DNS6_SERVICE], 64);
    for (client, vip) in [(CLIENT, WEB), (CLIENT6, WEB6)] {
        let mut flow = Dialogue::new(client, vip);
        for flags in ["S", "A", "PA"] {
            for (what, frame) in behind(client, vip, &Segment::new(flags)) {
                flow.request(&mut story, &what, &frame);
            }
        }
        let (backend, ours) = flow.ends.expect("a backend");
        let segment = Segment::new("PA").with(b"answer");
        for (what, frame) in behind(&backend.to_string(), &ours.to_string(), &segment) {
            flow.response(&mut story, &format!("backend {what}"), &frame);
        }
    }
    insta::assert_snapshot!(story.told());
}

#[test]
fn too_many_or_too_long() {
    let mut story = Story::new();
    let syn = frames::tcp(socket(CLIENT6), socket(WEB6), &Segment::new("S"));
    for count in [6, 7, 20] {
        let frame = frames::with_extensions(&syn, &vec![DESTINATION; count]);
        story.shows(&format!("{count} extension headers"), &frame);
    }
    let mut long = frames::with_extensions(&syn, &[DESTINATION]);
    long[55] = 1;
    story.shows("an extension header that swallows the ports", &long);
    long[55] = 255;
    story.shows("an extension header past the packet", &long);
    let mut cut = frames::with_extensions(&syn, &[DESTINATION]);
    cut[19] = 4;
    story.shows("a packet that ends inside its extension header", &cut);
    insta::assert_snapshot!(story.told());
}
