//! One frame of every kind, on the host and in this kernel.

use std::{collections::BTreeSet, net::SocketAddr};

use anyhow::{Context as _, Result, ensure};
use lb_common::Reason;
use lb_tests::{
    engines::{World, test_config},
    frames::{Segment, ping, tcp, udp},
};

/// Client, and the services `web` and `dns` of [`test_config`], by IPv4 and by IPv6.
pub const ENDS: [[&str; 3]; 2] = [
    ["198.51.100.7:40000", "192.0.2.10:80", "192.0.2.53:53"],
    [
        "[2001:db8:c::7]:40000",
        "[2001:db8::10]:80",
        "[2001:db8::53]:53",
    ],
];

/// Has both engines take every frame, and the dry run foresee what they do.
pub fn agree() -> Result<String> {
    let world = World::new(&test_config(), 64)?;
    let mut reasons = BTreeSet::new();
    let mut count = 0;
    for (what, frame) in frames()? {
        let context = || format!("{what}: {frame:02x?}");
        let foreseen = world.dry_run(&frame).with_context(context)?;
        let seen = world.run(&frame).with_context(context)?;
        ensure!(
            Reason::from_number(foreseen.reason) == Some(seen.reason),
            "{what}: {} came as a surprise to the dry run",
            seen.reason.label()
        );
        reasons.insert(seen.reason.label());
        count += 1;
    }
    let reasons: Vec<_> = reasons.into_iter().collect();
    Ok(format!("{count} frames; reasons: {}", reasons.join(", ")))
}

/// Frames in an order that makes sense: connections are opened, used and closed.
fn frames() -> Result<Vec<(String, Vec<u8>)>> {
    let mut frames = Vec::new();
    for ends in ENDS {
        let [client, web, dns] = parse(ends)?;
        let mut add = |what: &str, frame| frames.push((format!("{what} from {client}"), frame));
        let segment = |flags, sequence| Segment::new(flags).at(sequence);
        for (what, segment) in [
            ("data without a connection", segment("PA", 5).with(b"hello")),
            ("SYN", segment("S", 1)),
            ("SYN again", segment("S", 1)),
            ("ACK", segment("A", 2)),
            ("data", segment("PA", 2).with(&[0x5a; 1400])),
            (
                "ACK with options",
                Segment {
                    options: true,
                    ..segment("A", 1402)
                },
            ),
            ("FIN", segment("FA", 1402)),
            ("RST", segment("R", 1403)),
            ("no flags", segment("", 1)),
            ("SYN and FIN", segment("SF", 1)),
        ] {
            add(what, tcp(client, web, &segment));
        }
        add("UDP", udp(client, dns, b"question"));
        add("UDP again", udp(client, dns, b"question"));
        add("empty UDP", udp(client, dns, b""));
        let other_port = SocketAddr::new(web.ip(), 8080);
        add("no such port", tcp(client, other_port, &segment("S", 1)));
        add("UDP to TCP's port", udp(client, web, b"question"));
        add(
            "to nobody",
            tcp(client, SocketAddr::new(client.ip(), 80), &segment("S", 1)),
        );
        add("ping", ping(client.ip(), web.ip()));
        let whole = tcp(client, web, &segment("S", 9));
        // A header at a time: nothing after Ethernet, half an IP header, no transport header, half of it.
        for length in [14, 24, 34, 44, 54, 60] {
            let cut = whole.iter().copied().take(length).collect();
            add(&format!("cut to {length} bytes"), cut);
        }
    }
    Ok(frames)
}

/// Reads the addresses.
pub fn parse(ends: [&str; 3]) -> Result<[SocketAddr; 3]> {
    let [client, web, dns] = ends.map(|end| end.parse().context("an address of ours"));
    Ok([client?, web?, dns?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_long_enough_for_the_kernel_to_take() {
        let frames = frames().unwrap();
        assert!(frames.len() > 40);
        // BPF_PROG_TEST_RUN wants an Ethernet header.
        assert!(frames.iter().all(|(_, frame)| frame.len() >= 14));
    }
}
