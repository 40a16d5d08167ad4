//! Frames for the tests of what knows bytes and no maps: built and read by etherparse, never by the code under test.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpNumber, Ipv4Header, Ipv6Header, SlicedPacket, TcpHeader, UdpHeader, checksum::Sum16BitWords,
};
use lb_common::{ICMP, ICMPV6, TCP, UDP};

use crate::{parse::Version, testing::HostPacket};

/// The sender's end of the frames' link.
pub const THEIR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x11];
/// Ours.
pub const OUR_MAC: [u8; 6] = [6, 0, 0, 0, 0, 0x22];
/// Hop limit of every packet.
pub const HOPS: u8 = 57;

/// Two ends of flows: client and VIP.
pub const FLOWS: [(&str, &str); 2] = [
    ("198.51.100.7:40001", "192.0.2.1:443"),
    ("[2001:db8:7::7]:40001", "[2001:db8:1::1]:443"),
];

/// An end of a flow.
pub fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Both flows of [`FLOWS`].
pub fn flows() -> [(SocketAddr, SocketAddr); 2] {
    FLOWS.map(|(client, vip)| (end(client), end(vip)))
}

/// IP version of an address.
pub fn version(address: IpAddr) -> Version {
    match address {
        IpAddr::V4(_) => Version::V4,
        IpAddr::V6(_) => Version::V6,
    }
}

/// The protocol number of ICMP for an address.
pub fn icmp_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => ICMP,
        IpAddr::V6(_) => ICMPV6,
    }
}

/// A frame with 0, 1 or 2 VLAN tags in front of `packet`, and where the packet begins.
pub fn frame(tags: usize, packet: &[u8]) -> (HostPacket, usize) {
    let mut bytes = [OUR_MAC, THEIR_MAC].concat();
    bytes.extend(vlan(tags));
    bytes.extend(match packet[0] >> 4 {
        4 => [0x08, 0x00],
        _ => [0x86, 0xdd],
    });
    let l3 = bytes.len();
    bytes.extend(packet);
    (HostPacket { bytes, ingress: 1 }, l3)
}

/// The tags of [`frame`].
pub fn vlan(tags: usize) -> &'static [u8] {
    match tags {
        0 => &[],
        1 => &[0x81, 0x00, 0x60, 0x64],
        _ => &[0x88, 0xa8, 0x00, 0x0a, 0x81, 0x00, 0x20, 0x14],
    }
}

/// An IP packet. `extra` is IPv4's options or the numbers of IPv6's extension headers, of 8 bytes each.
pub fn ip(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    extra: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let number = IpNumber(protocol);
            let [s, d] = [source, destination].map(|address| address.octets());
            let mut header = Ipv4Header::new(0, HOPS, number, s, d).unwrap();
            header.options = extra.try_into().unwrap();
            header.set_payload_len(payload.len()).unwrap();
            header.header_checksum = header.calc_header_checksum();
            [&header.to_bytes()[..], payload].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let numbers = [extra, &[protocol]].concat();
            let header = Ipv6Header {
                payload_length: (8 * extra.len() + payload.len()).try_into().unwrap(),
                next_header: IpNumber(numbers[0]),
                hop_limit: HOPS,
                source: source.octets(),
                destination: destination.octets(),
                ..Default::default()
            };
            let mut bytes = header.to_bytes().to_vec();
            for pair in numbers.windows(2) {
                let fragment = pair[0] == 44;
                let rest: [u8; 6] = if fragment {
                    [0, 1, 0, 0, 0, 9]
                } else {
                    [1, 4, 0, 0, 0, 0]
                };
                bytes.extend([pair[1], 0]);
                bytes.extend(rest);
            }
            [&bytes, payload].concat()
        }
        _ => panic!("{source} and {destination} are of different families"),
    }
}

/// A TCP header made by `change`, with its checksum, in front of `payload`.
pub fn tcp(
    source: SocketAddr,
    destination: SocketAddr,
    change: impl FnOnce(&mut TcpHeader),
    payload: &[u8],
) -> Vec<u8> {
    let mut header = TcpHeader::new(source.port(), destination.port(), 0x0102_0304, 64_000);
    change(&mut header);
    let bytes = [&header.to_bytes()[..], payload].concat();
    summed(source.ip(), destination.ip(), TCP, 16, bytes)
}

/// A UDP datagram with its checksum.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let header = UdpHeader {
        source_port: source.port(),
        destination_port: destination.port(),
        length: (8 + payload.len()).try_into().unwrap(),
        checksum: 0,
    };
    let bytes = [&header.to_bytes()[..], payload].concat();
    summed(source.ip(), destination.ip(), UDP, 6, bytes)
}

/// An ICMP message with its checksum: `start` is type and code, `rest` the header's last four bytes.
pub fn icmp(
    source: IpAddr,
    destination: IpAddr,
    start: [u8; 2],
    rest: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let bytes = [&start[..], &[0, 0], &rest, payload].concat();
    summed(source, destination, icmp_of(source), 2, bytes)
}

fn summed(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    at: usize,
    mut bytes: Vec<u8>,
) -> Vec<u8> {
    let sum = sum(source, destination, protocol, &bytes);
    let sum = match protocol {
        UDP => sum.to_ones_complement_with_no_zero(),
        _ => sum.ones_complement(),
    };
    bytes[at..at + 2].copy_from_slice(&sum.to_ne_bytes());
    bytes
}

/// The sum of `bytes` and the pseudo-header in front of them.
pub fn sum(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> Sum16BitWords {
    let addresses = match (source, destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => Sum16BitWords::new()
            .add_4bytes(s.octets())
            .add_4bytes(d.octets()),
        (IpAddr::V6(s), IpAddr::V6(d)) => Sum16BitWords::new()
            .add_16bytes(s.octets())
            .add_16bytes(d.octets()),
        _ => panic!("{source} and {destination} are of different families"),
    };
    let pseudo = match protocol {
        ICMP => Sum16BitWords::new(),
        _ => addresses
            .add_2bytes(u16::try_from(bytes.len()).unwrap().to_be_bytes())
            .add_2bytes([0, protocol]),
    };
    pseudo.add_slice(bytes)
}

/// What stands in a frame, once its lengths and checksums are seen to be right.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub hops: u8,
    pub protocol: u8,
    /// IPv4's options or the numbers of IPv6's extension headers.
    pub extra: Vec<u8>,
    pub payload: Vec<u8>,
}

/// Reads a frame of `tags` tags whose addresses are exchanged, as those of an answer are.
pub fn answer(tags: usize, packet: &HostPacket) -> Read {
    let front = [&THEIR_MAC[..], &OUR_MAC, vlan(tags)].concat();
    assert_eq!(packet.bytes[..front.len()], front);
    read(packet)
}

/// Reads a frame.
pub fn read(packet: &HostPacket) -> Read {
    let sliced = SlicedPacket::from_ethernet(&packet.bytes).unwrap();
    let payload = sliced.ip_payload().unwrap();
    let end = payload.payload.as_ptr_range().end;
    assert_eq!(end, packet.bytes.as_ptr_range().end, "bytes behind");
    let (source, destination, hops, extra) = match sliced.net.as_ref().unwrap() {
        etherparse::NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let [s, d] = [header.source, header.destination].map(IpAddr::from);
            (s, d, header.time_to_live, header.options.to_vec())
        }
        etherparse::NetSlice::Ipv6(ip) => {
            let header = ip.header().to_header();
            let [s, d] = [header.source, header.destination].map(IpAddr::from);
            let mut next = header.next_header.0;
            let mut numbers = Vec::new();
            // Each is 8 bytes long and begins with the number of the next.
            for extension in ip.extensions().slice().chunks(8) {
                numbers.push(next);
                next = extension[0];
            }
            (s, d, header.hop_limit, numbers)
        }
        etherparse::NetSlice::Arp(_) => panic!("no IP packet"),
    };
    let protocol = payload.ip_number.0;
    let sum = sum(source, destination, protocol, payload.payload);
    assert_eq!(sum.ones_complement(), 0, "checksum of protocol {protocol}");
    Read {
        source,
        destination,
        hops,
        protocol,
        extra,
        payload: payload.payload.to_vec(),
    }
}
