//! Both engines agree on anything: any bytes, any packet of our grammar, any sequence of flow events. And whatever the
//! packet, only the bytes that its reason allows have changed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use etherparse::{SlicedPacket, TransportSlice};
use lb_common::{Backend, Map, Reason};
use lb_ebpf::verdict::Verdict;
use lb_tests::{
    engines::{Seen, World, test_config},
    frames::{self, CLIENT_MAC, OUR_MAC, Segment},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// Something that happens in a small world: few clients, few ports, so that flows meet.
#[derive(Clone, Debug)]
enum Step {
    Tcp {
        client: u8,
        v6: bool,
        segment: Segment,
    },
    Udp {
        client: u8,
        v6: bool,
        len: usize,
    },
    Mangled {
        client: u8,
        v6: bool,
        tcp: bool,
        at: usize,
        byte: u8,
        cut: usize,
    },
    Bytes(Vec<u8>),
    Allow {
        backend: u16,
        flags: u8,
    },
    GiveAway {
        backend: u16,
    },
    Older {
        seconds: u32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flags = select(vec![
        "S", "S", "S", "A", "A", "PA", "FA", "F", "R", "RA", "SA", "", "SF", "SR", "U", "SU",
    ]);
    let segment = (flags, 0_u32..4, vec(any::<u8>(), 0..40), any::<bool>()).prop_map(
        |(flags, sequence, payload, options)| Segment {
            flags,
            sequence,
            acknowledgement: sequence.wrapping_mul(0x9e37_79b9),
            payload,
            options,
        },
    );
    let all = Backend::ACCEPTS | Backend::SERVES | Backend::REACHABLE;
    let step = prop_oneof![
        8 => (0..12_u8, any::<bool>(), segment).prop_map(|(client, v6, segment)| Step::Tcp { client, v6, segment }),
        3 => (0..12_u8, any::<bool>(), 0..60_usize).prop_map(|(client, v6, len)| Step::Udp { client, v6, len }),
        4 => (0..12_u8, any::<bool>(), any::<bool>(), 12..80_usize, any::<u8>(), 0..40_usize)
            .prop_map(|(client, v6, tcp, at, byte, cut)| Step::Mangled { client, v6, tcp, at, byte, cut }),
        1 => vec(any::<u8>(), 14..120).prop_map(Step::Bytes),
        1 => (0..4_u16, 0..=all).prop_map(|(backend, flags)| Step::Allow { backend, flags }),
        1 => (0..4_u16).prop_map(|backend| Step::GiveAway { backend }),
        1 => (1..70_u32).prop_map(|seconds| Step::Older { seconds }),
    ];
    vec(step, 1..80)
}

fn ends(client: u8, v6: bool, tcp: bool) -> (SocketAddr, SocketAddr) {
    let port = 1024 + u16::from(client);
    let text = match (v6, tcp) {
        (false, true) => ("198.51.100.7", "192.0.2.10:80"),
        (false, false) => ("198.51.100.7", "192.0.2.53:53"),
        (true, true) => ("2001:db8:c::7", "[2001:db8::10]:80"),
        (true, false) => ("2001:db8:c::7", "[2001:db8::53]:53"),
    };
    (
        SocketAddr::new(text.0.parse().unwrap(), port),
        text.1.parse().unwrap(),
    )
}

fn take(world: &World, step: &Step) -> Result<(), TestCaseError> {
    let frame = match step {
        Step::Tcp {
            client,
            v6,
            segment,
        } => {
            let (from, to) = ends(*client, *v6, true);
            frames::tcp(from, to, segment)
        }
        Step::Udp { client, v6, len } => {
            let (from, to) = ends(*client, *v6, false);
            frames::udp(from, to, &vec![0x5a; *len])
        }
        Step::Mangled {
            client,
            v6,
            tcp,
            at,
            byte,
            cut,
        } => {
            let (from, to) = ends(*client, *v6, *tcp);
            let mut frame = if *tcp {
                frames::tcp(from, to, &Segment::new("S").with(b"payload"))
            } else {
                frames::udp(from, to, b"payload")
            };
            let at = at % frame.len();
            frame[at] = *byte;
            frame.truncate((frame.len() - cut.min(&(frame.len() - 14))).max(14));
            frame
        }
        Step::Bytes(bytes) => bytes.clone(),
        Step::Allow { backend, flags } => {
            world.change::<Backend>(Map::Backends, u32::from(*backend), |b| {
                b.flags = Backend::USED | flags
            });
            return Ok(());
        }
        Step::GiveAway { backend } => {
            world.change::<Backend>(Map::Backends, u32::from(*backend), |b| b.incarnation += 1);
            return Ok(());
        }
        Step::Older { seconds } => {
            let hz = lb_common::memory::read::<lb_common::Control>(
                lb_common::memory::Memory::words(&*world.kernel, Map::Control),
                0,
            );
            world.age_flows(seconds * hz.unwrap_or_default().hz);
            return Ok(());
        }
    };
    let foreseen = world
        .dry_run(&frame)
        .map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
    let seen = world
        .run(&frame)
        .map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
    prop_assert_eq!(
        Reason::from_number(foreseen.reason),
        Some(seen.reason),
        "the dry run foresaw another reason"
    );
    let backend = seen.backend.map_or(u32::MAX, u32::from);
    prop_assert_eq!(
        foreseen.backend,
        backend,
        "the dry run foresaw another backend"
    );
    check_bytes(&frame, &seen)
}

/// Which bytes may have changed.
fn check_bytes(frame: &[u8], seen: &Seen) -> Result<(), TestCaseError> {
    let reset = matches!(
        seen.reason,
        Reason::ResetNoFlow | Reason::ResetBackendGone | Reason::ResetNoBackend
    );
    match seen.verdict {
        Verdict::Pass | Verdict::Drop => prop_assert_eq!(frame, &seen.frame[..]),
        Verdict::Tx if reset => check_reset(frame, &seen.frame)?,
        Verdict::Tx | Verdict::Redirect(_) => {
            prop_assert_eq!(
                &frame[12..],
                &seen.frame[12..],
                "more than the MAC addresses changed"
            );
            prop_assert_eq!(&seen.frame[..5], &[0x02, 0, 0, 0, 0xbe], "not the next hop");
            prop_assert_eq!(
                &seen.frame[6..12],
                &[0x02, 0, 0, 0, 1, 0x1b],
                "not our interface's address"
            );
        }
    }
    Ok(())
}

/// A reset as RFC 9293 section 3.10.7.1 wants it, by an independent decoder.
fn check_reset(frame: &[u8], reset: &[u8]) -> Result<(), TestCaseError> {
    let bad = |error: &dyn std::fmt::Display| {
        TestCaseError::fail(format!("the reset does not decode: {error}"))
    };
    let asked = SlicedPacket::from_ethernet(frame).map_err(|error| bad(&error))?;
    let answer = SlicedPacket::from_ethernet(reset).map_err(|error| bad(&error))?;
    let (Some(TransportSlice::Tcp(asked_tcp)), Some(TransportSlice::Tcp(tcp))) =
        (&asked.transport, &answer.transport)
    else {
        return Err(TestCaseError::fail("no TCP"));
    };
    prop_assert_eq!(&reset[..6], &frame[6..12]);
    prop_assert_eq!(&reset[6..12], &frame[..6]);
    prop_assert_eq!(
        (tcp.source_port(), tcp.destination_port()),
        (asked_tcp.destination_port(), asked_tcp.source_port())
    );
    prop_assert!(tcp.rst() && !tcp.syn() && !tcp.fin() && !tcp.psh());
    prop_assert_eq!(tcp.payload().len(), 0);
    prop_assert_eq!(tcp.header_slice().len(), 20);
    if asked_tcp.ack() {
        prop_assert_eq!(
            (tcp.sequence_number(), tcp.ack()),
            (asked_tcp.acknowledgment_number(), false)
        );
    } else {
        let length = asked_tcp.payload().len() as u32
            + u32::from(asked_tcp.syn())
            + u32::from(asked_tcp.fin());
        prop_assert_eq!((tcp.sequence_number(), tcp.ack()), (0, true));
        prop_assert_eq!(
            tcp.acknowledgment_number(),
            asked_tcp.sequence_number().wrapping_add(length)
        );
    }
    let header = tcp.to_header();
    let expected = match (&asked.net, &answer.net) {
        (Some(etherparse::NetSlice::Ipv4(asked)), Some(etherparse::NetSlice::Ipv4(ip))) => {
            let (asked, ip) = (asked.header(), ip.header());
            prop_assert_eq!(
                (ip.source(), ip.destination()),
                (asked.destination(), asked.source())
            );
            prop_assert_eq!(ip.to_header().calc_header_checksum(), ip.header_checksum());
            header.calc_checksum_ipv4_raw(ip.source(), ip.destination(), &[])
        }
        (Some(etherparse::NetSlice::Ipv6(asked)), Some(etherparse::NetSlice::Ipv6(ip))) => {
            let (asked, ip) = (asked.header(), ip.header());
            prop_assert_eq!(
                (ip.source(), ip.destination()),
                (asked.destination(), asked.source())
            );
            header.calc_checksum_ipv6_raw(ip.source(), ip.destination(), &[])
        }
        _ => return Err(TestCaseError::fail("the answer is of another family")),
    };
    prop_assert_eq!(expected.ok(), Some(tcp.checksum()), "wrong TCP checksum");
    Ok(())
}

#[test]
fn both_engines_agree_on_any_sequence_of_events() {
    // One world for all cases: tables that many stories went through are a harder start than empty ones.
    let world = World::new(&test_config(), 64).expect("run this as root: `cargo xtask test`");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&steps(), |steps| {
            steps.iter().try_for_each(|step| take(&world, step))
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn both_engines_agree_on_any_bytes() {
    let world = World::new(&test_config(), 64).expect("run this as root: `cargo xtask test`");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let ether_types = select(vec![[0x08, 0x00], [0x86, 0xdd]]);
    let frames = (ether_types, vec(any::<u8>(), 0..200)).prop_map(|(ether_type, rest)| {
        [&OUR_MAC[..], &CLIENT_MAC[..], &ether_type[..], &rest[..]].concat()
    });
    runner
        .run(&frames, |frame| take(&world, &Step::Bytes(frame)))
        .unwrap_or_else(|failure| panic!("{failure}"));
}
