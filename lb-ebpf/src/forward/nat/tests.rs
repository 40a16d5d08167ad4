use std::net::SocketAddr;

use lb_common::{address::from_ip, flow::FlowKey};
use proptest::prelude::*;

use super::*;
use crate::forward::frames::{Frame, INGRESS, TAGS, Transport, way};

mod across;

const V4: [&str; 4] = [
    "203.0.113.9:40000",
    "192.0.2.1:443",
    "10.0.0.1:1024",
    "10.0.0.7:8443",
];
const V6: [&str; 4] = [
    "[2001:db8:9::9]:40000",
    "[2001:db8::1]:443",
    "[fd00::1]:1024",
    "[fd00::7]:8443",
];
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::UdpUnsummed];
const PARTS: [Part; 3] = [Part::Whole, Part::First, Part::Later];

fn ends(source: SocketAddr, destination: SocketAddr) -> Ends {
    Ends {
        source: from_ip(source.ip()),
        destination: from_ip(destination.ip()),
        ports: FlowKey::ports(source.port(), destination.port()),
    }
}

/// What etherparse makes of `frame` with `ends` one hop later.
fn expected(frame: &Frame, source: SocketAddr, destination: SocketAddr, tags: [u16; 2]) -> Frame {
    Frame {
        source,
        destination,
        hops: frame.hops - 1,
        ..frame.sent(tags)
    }
}

fn translated(frame: &Frame, to: [&str; 2], tags: [u16; 2]) -> (Vec<u8>, Vec<u8>) {
    let [source, destination] = to.map(|end| end.parse().unwrap());
    let mut packet = frame.packet();
    let verdict = translate(
        &mut packet,
        &frame.parsed(),
        &ends(source, destination),
        &way(tags),
    );
    assert_eq!(verdict, Ok(Verdict::Redirect(9)));
    (
        packet.bytes,
        expected(frame, source, destination, tags).bytes(),
    )
}

#[test]
fn everything_but_the_ends_and_a_hop_stays() {
    for [client, vip, source, destination] in [V4, V6] {
        for transport in TRANSPORTS {
            for payload in [0, 1, 32, 33] {
                for tags in TAGS {
                    for leaving in TAGS {
                        let frame = Frame {
                            tags,
                            padding: 3,
                            ..Frame::new(client, vip, transport.clone(), payload)
                        };
                        let (got, expected) = translated(&frame, [source, destination], leaving);
                        assert_eq!(got, expected, "{frame:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn options_and_extension_headers_stay() {
    let options = [
        vec![1, 1, 1, 0],
        vec![148, 4, 0, 0],
        [vec![7, 39, 4], vec![0; 37]].concat(),
    ];
    for options in options {
        let frame = Frame {
            options,
            ..Frame::new(V4[0], V4[1], Transport::Tcp, 5)
        };
        let (got, expected) = translated(&frame, [V4[2], V4[3]], TAGS[1]);
        assert_eq!(got, expected);
    }
    let frame = Frame {
        options: vec![0, 0, 1, 4, 0, 0, 0, 0],
        label: 0xabcde,
        ..Frame::new(V6[0], V6[1], Transport::Udp, 5)
    };
    let (got, expected) = translated(&frame, [V6[2], V6[3]], TAGS[1]);
    assert_eq!(got, expected);
}

#[test]
fn fragments_are_translated_without_their_fellows() {
    for [client, vip, source, destination] in [V4, V6] {
        for transport in TRANSPORTS {
            for part in PARTS {
                let frame = Frame {
                    part,
                    dont_fragment: false,
                    ..Frame::new(client, vip, transport.clone(), 77)
                };
                let (got, expected) = translated(&frame, [source, destination], TAGS[0]);
                assert_eq!(got, expected, "{frame:?}");
            }
        }
    }
}

#[test]
fn the_last_hop_is_not_taken() {
    for [client, vip, source, destination] in [V4, V6] {
        let [source, destination] = [source, destination].map(|end| end.parse().unwrap());
        for hops in [0, 1] {
            let frame = Frame {
                hops,
                ..Frame::new(client, vip, Transport::Tcp, 5)
            };
            let mut packet = frame.packet();
            let ends = ends(source, destination);
            let verdict = translate(&mut packet, &frame.parsed(), &ends, &way(TAGS[1]));
            assert_eq!(verdict, Err(Refusal::Expired));
            assert_eq!(packet, frame.packet());
        }
        let frame = Frame {
            hops: 2,
            ..Frame::new(client, vip, Transport::Tcp, 5)
        };
        let ends = ends(source, destination);
        let verdict = translate(&mut frame.packet(), &frame.parsed(), &ends, &way(TAGS[1]));
        assert_eq!(verdict, Ok(Verdict::Redirect(9)));
    }
}

#[test]
fn it_returns_by_the_interface_it_came_by() {
    let frame = Frame::new(V4[0], V4[1], Transport::Tcp, 5);
    let [source, destination] = [V4[2], V4[3]].map(|end| end.parse().unwrap());
    let way = Way {
        ifindex: INGRESS,
        ..way(TAGS[0])
    };
    let ends = ends(source, destination);
    let verdict = translate(&mut frame.packet(), &frame.parsed(), &ends, &way);
    assert_eq!(verdict, Ok(Verdict::Tx));
}

/// A checksum that comes out as zero is sent as all ones in UDP, as zero in TCP.
#[test]
fn a_checksum_of_zero_is_the_transports_own() {
    for ([client, vip, source, _], (transport, field, at)) in
        [V4, V6].into_iter().flat_map(|ends| {
            [
                (ends, (Transport::Udp, [0xff, 0xff], 6)),
                (ends, (Transport::Tcp, [0, 0], 16)),
            ]
        })
    {
        let frame = Frame::new(client, vip, transport, 3);
        let at = frame.parsed().l4 + at;
        let source: SocketAddr = source.parse().unwrap();
        let found = (0..=u16::MAX).find_map(|port| {
            let destination = SocketAddr::new(source.ip(), port);
            let expected = expected(&frame, source, destination, TAGS[0]).bytes();
            (expected[at..at + 2] == field).then_some((destination, expected))
        });
        let (destination, expected) = found.unwrap();
        let mut packet = frame.packet();
        let ends = ends(source, destination);
        translate(&mut packet, &frame.parsed(), &ends, &way(TAGS[0])).unwrap();
        assert_eq!(packet.bytes, expected);
    }
}

prop_compose! {
    fn end_v4()(address: [u8; 4], port: u16) -> SocketAddr {
        SocketAddr::new(address.into(), port)
    }
}

prop_compose! {
    /// Never an IPv4-mapped address: those are IPv4.
    fn end_v6()(address: [u8; 15], port: u16) -> SocketAddr {
        let mut bytes = [0x20; 16];
        bytes[1..].copy_from_slice(&address);
        SocketAddr::new(bytes.into(), port)
    }
}

fn four(v4: bool) -> impl Strategy<Value = [SocketAddr; 4]> {
    if v4 {
        proptest::array::uniform4(end_v4()).boxed()
    } else {
        proptest::array::uniform4(end_v6()).boxed()
    }
}

fn frame(
    [source, destination]: [SocketAddr; 2],
    transport: usize,
    payload: Vec<u8>,
    hops: u8,
    part: Part,
) -> Frame {
    Frame {
        source,
        destination,
        payload,
        hops,
        part,
        ..Frame::new(V4[0], V4[1], TRANSPORTS[transport].clone(), 0)
    }
}

proptest! {
    #[test]
    fn there_and_back_is_where_it_was(
        [client, vip, source, destination] in any::<bool>().prop_flat_map(four),
        transport in 0..3_usize,
        payload in proptest::collection::vec(any::<u8>(), 40..90),
        part in 0..3_usize,
        hops in 3_u8..,
    ) {
        let frame = frame([client, vip], transport, payload, hops, PARTS[part]);
        let mut packet = frame.packet();
        let there = ends(source, destination);
        translate(&mut packet, &frame.parsed(), &there, &way(TAGS[1])).unwrap();
        let middle = expected(&frame, source, destination, TAGS[1]);
        prop_assert_eq!(&packet.bytes, &middle.bytes());
        translate(&mut packet, &middle.parsed(), &ends(client, vip), &way(TAGS[2])).unwrap();
        prop_assert_eq!(packet.bytes, expected(&middle, client, vip, TAGS[2]).bytes());
    }
}
