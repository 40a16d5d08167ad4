//! What is in a frame, read by a library that shares no code with the packet path. Every length and every checksum is
//! verified on the way.

mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    Icmpv4Slice, Icmpv6Slice, LinkExtSlice, LinkSlice, NetSlice, SlicedPacket, TcpOptionElement,
    TcpSlice, TransportSlice, UdpSlice,
};

/// The UDP port of generic UDP encapsulation.
pub const GUE_PORT: u16 = 6080;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// MAC address it is sent to.
    pub to: [u8; 6],
    /// MAC address of its sender.
    pub from: [u8; 6],
    /// Its VLAN tags, outer first: EtherType and VLAN identifier.
    pub tags: Vec<(u16, u16)>,
    /// Its IP packets, outer first.
    pub packets: Vec<IpPacket>,
}

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPacket {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Time to live or hop limit.
    pub hops: u8,
    /// Whether routers must not fragment it.
    pub unfragmented: bool,
    /// IPv6's flow label.
    pub label: u32,
    /// What it carries.
    pub transport: Transport,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP segment.
    Tcp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Letters of `SAFRPU`.
        flags: String,
        /// What a SYN announces as maximum segment size.
        mss: Option<u16>,
    },
    /// A datagram.
    Udp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Whether it has a checksum.
        summed: bool,
    },
    /// A message of ICMP or ICMPv6.
    Icmp {
        /// Type and code.
        kind: [u8; 2],
        /// The last four bytes of its header: an MTU where it names one.
        rest: u32,
        /// What follows the header.
        body: Vec<u8>,
    },
    /// Another IP packet, at once.
    Ip,
    /// Another IP packet in a datagram without checksum.
    Gue {
        /// Source port.
        port: u16,
        /// Variant of the encapsulation.
        variant: u8,
    },
}

/// Reads a frame. Panics, for tests, where anything in it is not as it should be.
pub fn decode(frame: &[u8]) -> Decoded {
    let sliced =
        SlicedPacket::from_ethernet(frame).unwrap_or_else(|error| panic!("{error}\n{frame:02x?}"));
    let Some(LinkSlice::Ethernet2(link)) = &sliced.link else {
        panic!("no Ethernet header: {frame:02x?}");
    };
    let mut tags = Vec::new();
    let mut kind = link.ether_type().0;
    for extension in &sliced.link_exts {
        let LinkExtSlice::Vlan(tag) = extension else {
            panic!("no VLAN tag: {frame:02x?}");
        };
        tags.push((kind, tag.vlan_identifier().value()));
        kind = tag.ether_type().0;
    }
    let mut packets = Vec::new();
    let mut rest = sliced
        .ether_payload()
        .map(|payload| payload.payload.to_vec());
    while let Some(bytes) = rest.take() {
        let (packet, inner) = packet(&bytes);
        let is_tunnel = matches!(packet.transport, Transport::Ip | Transport::Gue { .. });
        packets.push(packet);
        rest = is_tunnel.then_some(inner);
    }
    Decoded {
        to: link.destination(),
        from: link.source(),
        tags,
        packets,
    }
}

impl Decoded {
    /// The outermost packet.
    pub fn outer(&self) -> &IpPacket {
        self.packets
            .first()
            .unwrap_or_else(|| panic!("no packet in {self}"))
    }

    /// The innermost packet.
    pub fn inner(&self) -> &IpPacket {
        self.packets
            .last()
            .unwrap_or_else(|| panic!("no packet in {self}"))
    }
}

impl IpPacket {
    /// Its maximum segment size, if it is a SYN that announces one.
    pub fn mss(&self) -> Option<u16> {
        match self.transport {
            Transport::Tcp { mss, .. } => mss,
            _ => None,
        }
    }
}

/// The packet that `bytes` begin with, and the one in it, if it is a tunnel's.
fn packet(bytes: &[u8]) -> (IpPacket, Vec<u8>) {
    let sliced =
        SlicedPacket::from_ip(bytes).unwrap_or_else(|error| panic!("{error}\n{bytes:02x?}"));
    let (mut packet, payload) = match &sliced.net {
        Some(NetSlice::Ipv4(v4)) => {
            let header = v4.header();
            assert_eq!(
                header.header_checksum(),
                header.to_header().calc_header_checksum(),
                "IPv4 header checksum: {bytes:02x?}"
            );
            let packet = IpPacket {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                traffic_class: header.dcp().value() << 2 | header.ecn().value(),
                hops: header.ttl(),
                unfragmented: header.dont_fragment(),
                label: 0,
                transport: Transport::Ip,
                bytes: bytes[..usize::from(header.total_len())].to_vec(),
            };
            (packet, v4.payload().payload)
        }
        Some(NetSlice::Ipv6(v6)) => {
            let header = v6.header();
            let packet = IpPacket {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                traffic_class: header.traffic_class(),
                hops: header.hop_limit(),
                unfragmented: true,
                label: header.flow_label().value(),
                transport: Transport::Ip,
                bytes: bytes[..40 + usize::from(header.payload_length())].to_vec(),
            };
            (packet, v6.payload().payload)
        }
        other => panic!("no IP: {other:?}"),
    };
    let ends = (packet.source, packet.destination);
    let mut inner = Vec::new();
    packet.transport = match &sliced.transport {
        Some(TransportSlice::Tcp(segment)) => tcp(ends, segment),
        Some(TransportSlice::Udp(datagram)) if is_gue(datagram) => {
            let (transport, inside) = gue(datagram);
            inner = inside.to_vec();
            transport
        }
        Some(TransportSlice::Udp(datagram)) => udp(ends, datagram),
        Some(TransportSlice::Icmpv4(message)) => icmp(message),
        Some(TransportSlice::Icmpv6(message)) => icmpv6(ends, message),
        _ => {
            inner = payload.to_vec();
            Transport::Ip
        }
    };
    (packet, inner)
}

fn tcp(ends: (IpAddr, IpAddr), segment: &TcpSlice<'_>) -> Transport {
    let sum = match ends {
        (IpAddr::V4(s), IpAddr::V4(d)) => segment.calc_checksum_ipv4(s.octets(), d.octets()).ok(),
        (IpAddr::V6(s), IpAddr::V6(d)) => segment.calc_checksum_ipv6(s.octets(), d.octets()).ok(),
        _ => None,
    };
    assert_eq!(Some(segment.checksum()), sum, "TCP checksum, {ends:?}");
    let flags = [
        (segment.syn(), 'S'),
        (segment.ack(), 'A'),
        (segment.fin(), 'F'),
        (segment.rst(), 'R'),
        (segment.psh(), 'P'),
        (segment.urg(), 'U'),
    ];
    let mss = segment.options_iterator().find_map(|option| match option {
        Ok(TcpOptionElement::MaximumSegmentSize(mss)) => Some(mss),
        _ => None,
    });
    Transport::Tcp {
        ports: [segment.source_port(), segment.destination_port()],
        flags: flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, letter)| letter)
            .collect(),
        mss,
    }
}

fn udp(ends: (IpAddr, IpAddr), datagram: &UdpSlice<'_>) -> Transport {
    let (header, payload) = (datagram.to_header(), datagram.payload());
    let sum = match ends {
        (IpAddr::V4(s), IpAddr::V4(d)) => header
            .calc_checksum_ipv4_raw(s.octets(), d.octets(), payload)
            .ok(),
        (IpAddr::V6(s), IpAddr::V6(d)) => header
            .calc_checksum_ipv6_raw(s.octets(), d.octets(), payload)
            .ok(),
        _ => None,
    };
    // RFC 768: 0 says that there is none. RFC 8200 section 8.1: IPv6 has no such datagrams.
    let summed = datagram.checksum() != 0;
    assert!(
        summed || ends.0.is_ipv4(),
        "a datagram of IPv6 without a checksum"
    );
    assert!(
        !summed || Some(datagram.checksum()) == sum,
        "UDP checksum, {ends:?}"
    );
    Transport::Udp {
        ports: [datagram.source_port(), datagram.destination_port()],
        summed,
    }
}

fn is_gue(datagram: &UdpSlice<'_>) -> bool {
    datagram.destination_port() == GUE_PORT
}

/// The tunnel's end and what follows its headers.
fn gue<'a>(datagram: &UdpSlice<'a>) -> (Transport, &'a [u8]) {
    let payload = datagram.payload();
    assert_eq!(
        datagram.checksum(),
        0,
        "a tunnel's datagram has no checksum"
    );
    assert_eq!(
        usize::from(datagram.length()),
        8 + payload.len(),
        "UDP length"
    );
    let port = datagram.source_port();
    // The first two bits: 01, those of an IP version, or 00, and then the header's length and its protocol.
    match payload[0] >> 6 {
        1 => (Transport::Gue { port, variant: 1 }, payload),
        0 => {
            let inner = &payload[4..];
            let protocol = if inner[0] >> 4 == 4 { 4 } else { 41 };
            assert_eq!(payload[..4], [0, protocol, 0, 0], "GUE header");
            (Transport::Gue { port, variant: 0 }, inner)
        }
        other => panic!("GUE variant {other}"),
    }
}

fn icmp(message: &Icmpv4Slice<'_>) -> Transport {
    let sum = message.icmp_type().calc_checksum(message.payload());
    assert_eq!(message.checksum(), sum, "ICMP checksum");
    Transport::Icmp {
        kind: [message.type_u8(), message.code_u8()],
        rest: u32::from_be_bytes(message.bytes5to8()),
        body: message.slice()[8..].to_vec(),
    }
}

fn icmpv6(ends: (IpAddr, IpAddr), message: &Icmpv6Slice<'_>) -> Transport {
    let [source, destination] = [ends.0, ends.1].map(|end| match end {
        IpAddr::V6(v6) => v6,
        IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
    });
    assert!(
        message.is_checksum_valid(source.octets(), destination.octets()),
        "ICMPv6 checksum"
    );
    Transport::Icmp {
        kind: [message.type_u8(), message.code_u8()],
        rest: u32::from_be_bytes(message.bytes5to8()),
        body: message.slice()[8..].to_vec(),
    }
}

/// The addresses of the packet that an ICMP error quotes, which may be cut off behind its header.
pub fn quoted(body: &[u8]) -> (IpAddr, IpAddr) {
    let v4 = |at: usize| Ipv4Addr::from(std::array::from_fn(|byte| body[at + byte])).into();
    let v6 =
        |at: usize| Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|byte| body[at + byte])).into();
    match body[0] >> 4 {
        4 => (v4(12), v4(16)),
        _ => (v6(8), v6(24)),
    }
}
