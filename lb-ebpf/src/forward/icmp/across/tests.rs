//! Every packet is built and read by etherparse: one that is quoted in the other family is built anew with the ends it has
//! there, and the message around it.

use std::net::{IpAddr, SocketAddr};

use etherparse::Ipv4Header;
use lb_common::{address::from_ip, flow::FlowKey};

use super::*;
use crate::{
    fixtures::{HOPS, end, frame, icmp as message, icmp_of, ip, read, sum},
    forward::frames::{self, Frame, TAGS, Transport},
    parse::{
        self, Part,
        icmp::{About, parse},
    },
    testing::{HostPacket, HostTables},
};

/// A router, and a packet that it has seen as `seen` and whose sender sent it as `sent`: source and destination.
#[derive(Clone, Copy)]
struct Case {
    router: &'static str,
    seen: [&'static str; 2],
    sent: [&'static str; 2],
}

const CASES: [Case; 2] = [
    Case {
        router: "203.0.113.250",
        seen: ["10.9.9.9:50123", "10.1.2.3:8080"],
        sent: ["[2001:db8:7::7]:40001", "[2001:db8:1::1]:443"],
    },
    Case {
        router: "2001:db8:99::fa",
        seen: ["[fd00:9::9]:50123", "[fd00:1::3]:8080"],
        sent: ["198.51.100.7:40001", "192.0.2.1:443"],
    },
];

/// Type and code of "fragmentation needed" and "packet too big"; the MTU it names.
const TOO_BIG: [[u8; 2]; 2] = [[3, 4], [2, 0]];
const MTU: u32 = 1400;

thread_local! {
    /// Nothing is looked up in them.
    static TABLES: HostTables = HostTables::default();
}

impl Case {
    fn is_v4(&self) -> bool {
        self.seen[0].starts_with('1')
    }

    /// As it came, and as it has to be quoted: of IPv4 the identification is not known.
    fn packets(&self, transport: Transport, payload: usize) -> [Frame; 2] {
        let [seen, sent] = [self.seen, self.sent].map(|[source, destination]| {
            Frame::new(source, destination, transport.clone(), payload)
        });
        let sent = Frame {
            identification: 0,
            ..sent
        };
        [seen, sent]
    }

    fn router(&self) -> IpAddr {
        self.router.parse().unwrap()
    }

    /// The packet of the error that quotes `quote`.
    fn error(&self, start: [u8; 2], rest: u32, extra: &[u8], quote: &[u8]) -> Vec<u8> {
        let (from, to) = (self.router(), end(self.seen[0]).ip());
        let said = message(from, to, start, rest.to_be_bytes(), quote);
        ip(from, to, icmp_of(from), extra, &said)
    }

    /// Has the error of `packet` translated, and sent with `tags`.
    fn run(&self, packet: &mut HostPacket, tags: [u16; 2]) -> Result<Verdict, Refusal> {
        let came = parse::internet(packet).unwrap();
        let len = came.l3 + came.len - came.l4;
        let Ok(About::Error(subject)) = parse(packet, came.version, came.l4, len) else {
            panic!("no error");
        };
        let parsed = Parsed {
            version: came.version,
            l3: came.l3,
            l4: came.l4,
            len: came.len,
            key: FlowKey::default(),
            flags: 0,
            sequence: 0,
            part: Part::Whole,
            id: 0,
        };
        let [to, from] = self.sent.map(end);
        let ends = Ends {
            source: from_ip(from.ip()),
            destination: from_ip(to.ip()),
            ports: FlowKey::ports(from.port(), to.port()),
        };
        let way = frames::way(tags);
        let quote = &subject.quote;
        TABLES.with(|tables| translate_across(packet, tables, &parsed, quote, &ends, &way, 1500))
    }

    /// Sees to it that an error that quotes `quote` becomes one that quotes `expected`.
    fn becomes(&self, quote: &[u8], expected: &[u8], rest: u32) {
        let [start, other] = self.too_big();
        let [to, from] = self.sent.map(|end_of| end(end_of).ip());
        let said = message(from, to, other, rest.to_be_bytes(), expected);
        for (count, tags) in (0..).zip(TAGS) {
            for leaving in TAGS {
                let error = self.error(start, MTU, &[], quote);
                let (mut packet, _) = frame(count, &error);
                packet.bytes.extend([0x5a; 9]);
                assert_eq!(self.run(&mut packet, leaving), Ok(Verdict::Redirect(9)));
                let front = Frame {
                    tags,
                    ..self.packets(Transport::Tcp, 0)[1].clone()
                };
                let front = front.sent(leaving).front();
                assert_eq!(packet.bytes[..front.len()], front);
                let left = read(&packet);
                assert_eq!((left.source, left.destination), (from, to));
                assert_eq!((left.hops, left.protocol), (HOPS - 1, icmp_of(from)));
                assert_eq!(left.payload, said, "{quote:02x?}");
            }
        }
    }

    fn refuses(&self, error: &[u8]) {
        let (mut packet, _) = frame(1, error);
        let before = packet.clone();
        let refused = self.run(&mut packet, TAGS[2]);
        assert_eq!(refused, Err(Refusal::Untranslatable));
        assert_eq!(packet, before, "nothing has changed");
    }

    /// Of the error that comes, and of that which leaves.
    fn too_big(&self) -> [[u8; 2]; 2] {
        let [v4, v6] = TOO_BIG;
        if self.is_v4() { [v4, v6] } else { [v6, v4] }
    }

    fn told(&self) -> u32 {
        if self.is_v4() { MTU + 20 } else { MTU - 20 }
    }
}

/// An IP packet without options up to the eighth byte of what it carries.
fn cut(packet: &[u8]) -> &[u8] {
    &packet[..if packet[0] >> 4 == 4 { 28 } else { 48 }]
}

#[test]
fn the_sender_gets_back_what_it_sent() {
    for case in CASES {
        for transport in [Transport::Tcp, Transport::Udp, Transport::UdpUnsummed] {
            let [seen, sent] = case.packets(transport, 32).map(|packet| packet.ip());
            for len in cut(&seen).len()..=seen.len() {
                case.becomes(&seen[..len], cut(&sent), case.told());
            }
        }
    }
}

#[test]
fn a_shorter_quote_is_refused() {
    for case in CASES {
        let [seen, _] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
        let short = &cut(&seen)[..cut(&seen).len() - 1];
        let mut error = case.error(case.too_big()[0], MTU, &[], short);
        // What lies behind the packet is no part of it.
        error.push(1);
        case.refuses(&error);
    }
}

#[test]
fn options_and_extension_headers_of_the_quote_are_left_out() {
    for case in CASES {
        let [seen, sent] = case.packets(Transport::Udp, 32);
        let options = if case.is_v4() {
            vec![1; 12]
        } else {
            vec![0, 0, 1, 4, 0, 0, 0, 0]
        };
        let seen = Frame { options, ..seen };
        case.becomes(&seen.ip(), cut(&sent.ip()), case.told());
    }
}

#[test]
fn a_fragment_header_that_is_quoted_is_one_of_ipv4() {
    let case = CASES[1];
    let [seen, sent] = case.packets(Transport::Udp, 77);
    let seen = Frame {
        part: Part::First,
        identification: 0x4321,
        ..seen
    };
    let sent = Frame {
        part: Part::First,
        identification: 0x4321,
        dont_fragment: false,
        ..sent
    };
    case.becomes(&seen.ip(), cut(&sent.ip()), MTU - 28);
}

#[test]
fn a_fragment_of_ipv4_is_quoted_without_fragment_header() {
    let case = CASES[0];
    let [seen, sent] = case.packets(Transport::Tcp, 77);
    let seen = Frame {
        part: Part::First,
        dont_fragment: false,
        ..seen
    };
    let mut sent = sent.ip();
    // As long as what is behind the header.
    let len = u16::try_from(frames::CUT).unwrap();
    sent[4..6].copy_from_slice(&len.to_be_bytes());
    case.becomes(&seen.ip(), cut(&sent), case.told());
}

#[test]
fn a_checksum_of_udp_that_comes_out_as_0_is_written_as_ffff() {
    for case in CASES {
        let [_, sent] = case.packets(Transport::Udp, 2);
        let payload = |packet: &Frame| packet.ip().len() - 10;
        let mut sent = Frame {
            payload: vec![0, 0],
            ..sent
        };
        // With its own checksum as payload a datagram adds up to 0.
        let at = payload(&sent) + 6;
        sent.payload = sent.ip()[at..at + 2].to_vec();
        assert_eq!(sent.ip()[at..at + 2], [0xff, 0xff]);
        let [seen, _] = case.packets(Transport::Udp, 2);
        let seen = Frame {
            payload: sent.payload.clone(),
            ..seen
        };
        case.becomes(&seen.ip(), cut(&sent.ip()), case.told());
    }
}

#[test]
fn errors_without_a_word_for_them_are_refused() {
    for (case, starts) in [
        (CASES[0], [[3, 14], [3, 16], [12, 1]]),
        (CASES[1], [[1, 5], [4, 2], [4, 3]]),
    ] {
        let [seen, _] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
        for start in starts {
            case.refuses(&case.error(start, 0, &[], &seen));
        }
        // A pointer to a field that only one header has: identification, flow label.
        let (start, pointer) = if case.is_v4() {
            ([12, 0], 4 << 24)
        } else {
            ([4, 0], 2)
        };
        case.refuses(&case.error(start, pointer, &[], &seen));
    }
}

#[test]
fn the_last_hop_is_not_taken() {
    for case in CASES {
        let [seen, _] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
        let mut error = case.error(case.too_big()[0], MTU, &[], &seen);
        for hops in [0, 1] {
            error[if case.is_v4() { 8 } else { 7 }] = hops;
            case.refuses(&error);
        }
    }
}

#[test]
fn its_own_options_are_left_out() {
    for case in CASES {
        let [seen, sent] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
        let extra: &[u8] = if case.is_v4() { &[1; 8] } else { &[0, 60] };
        let error = case.error(case.too_big()[0], MTU, extra, &seen);
        let (mut packet, _) = frame(0, &error);
        case.run(&mut packet, TAGS[0]).unwrap();
        let left = read(&packet);
        assert_eq!((left.extra, &left.payload[8..]), (vec![], cut(&sent)));
    }
}

#[test]
fn a_source_route_that_goes_on_is_refused() {
    let case = CASES[0];
    let [seen, _] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
    let route = [131, 7, 4, 203, 0, 113, 1, 0];
    case.refuses(&case.error(case.too_big()[0], MTU, &route, &seen));
}

#[test]
fn the_error_keeps_its_traffic_class() {
    let [case, other] = CASES;
    let [seen, _] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
    let mut error = case.error(TOO_BIG[0], MTU, &[], &seen);
    error[1] = 0xb9;
    let (mut packet, l3) = frame(0, &error);
    case.run(&mut packet, TAGS[0]).unwrap();
    assert_eq!(packet.bytes[l3..l3 + 4], [0x6b, 0x90, 0, 0]);

    let [seen, _] = other.packets(Transport::Tcp, 32).map(|packet| packet.ip());
    let mut error = other.error(TOO_BIG[1], MTU, &[], &seen);
    error[..4].copy_from_slice(&[0x6b, 0x91, 0x23, 0x45]);
    let (mut packet, l3) = frame(0, &error);
    other.run(&mut packet, TAGS[0]).unwrap();
    let (header, rest) = Ipv4Header::from_slice(&packet.bytes[l3..]).unwrap();
    assert_eq!(packet.bytes[l3 + 1], 0xb9);
    assert!(!header.dont_fragment && !header.more_fragments);
    assert_eq!(header.identification.to_be_bytes(), rest[2..4]);
}

/// The message is so short that its checksum is made from all of it.
#[test]
fn a_message_that_leaves_is_right() {
    for case in CASES {
        let [seen, _] = case.packets(Transport::Tcp, 32).map(|packet| packet.ip());
        let mut error = case.error(case.too_big()[0], MTU, &[], &seen);
        *error.last_mut().unwrap() ^= 1;
        let (mut packet, _) = frame(0, &error);
        case.run(&mut packet, TAGS[0]).unwrap();
        let left = read(&packet);
        let [to, from]: [SocketAddr; 2] = case.sent.map(end);
        let sum = sum(from.ip(), to.ip(), icmp_of(from.ip()), &left.payload);
        assert_eq!(sum.ones_complement(), 0);
    }
}
