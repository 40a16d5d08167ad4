//! Frames for the tests of this module. Every length and checksum is computed by etherparse, never by the code under
//! test, so a frame built with other addresses is what a translation must produce byte for byte.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel,
    Ipv6FragmentHeader, Ipv6Header, TcpHeader, UdpHeader,
};
use lb_common::{
    TCP, UDP,
    address::from_ip,
    backend::{Backend, VlanTags},
    flow::FlowKey,
};

use crate::{
    forward::front::Way,
    header::tcp,
    parse::{Parsed, Part, Version},
    testing::HostPacket,
};

/// The interface every frame comes by.
pub const INGRESS: u32 = 7;
/// Where the two fragments of a packet meet, in bytes of its transport segment.
pub const CUT: usize = 32;

/// What a frame is built from.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Destination and source.
    pub macs: [[u8; 6]; 2],
    /// Tag control information in the host's order, 0 for none.
    pub tags: [u16; 2],
    /// Of the IP packet; their family is the packet's.
    pub source: SocketAddr,
    /// See `source`.
    pub destination: SocketAddr,
    /// TOS or traffic class.
    pub traffic: u8,
    /// IPv6 flow label.
    pub label: u32,
    /// IPv4 identification, or that of an IPv6 fragment.
    pub identification: u16,
    /// IPv4: don't fragment.
    pub dont_fragment: bool,
    /// Time to live or hop limit.
    pub hops: u8,
    /// IPv4 options, or the bytes of IPv6 extension headers, the first of which is of kind 60.
    pub options: Vec<u8>,
    /// What is carried.
    pub transport: Transport,
    /// What the transport header is followed by.
    pub payload: Vec<u8>,
    /// All or one of two fragments.
    pub part: Part,
    /// Bytes behind the IP packet.
    pub padding: usize,
}

/// A transport header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// With these options: a SYN.
    Syn(Vec<u8>),
    /// An ACK without options.
    Tcp,
    /// With its checksum.
    Udp,
    /// With checksum 0.
    UdpUnsummed,
}

impl Frame {
    /// A plain frame.
    pub fn new(source: &str, destination: &str, transport: Transport, payload: usize) -> Self {
        Self {
            macs: [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]],
            tags: [0, 0],
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            traffic: 0xb9,
            label: 0,
            identification: 0x1234,
            dont_fragment: true,
            hops: 64,
            options: Vec::new(),
            transport,
            payload: (0..payload).map(|at| (at * 31 + 7) as u8).collect(),
            part: Part::Whole,
            padding: 0,
        }
    }

    /// It as a packet that came by [`INGRESS`].
    pub fn packet(&self) -> HostPacket {
        HostPacket {
            bytes: self.bytes(),
            ingress: INGRESS,
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.front();
        bytes.extend(self.ip());
        bytes.extend(std::iter::repeat_n(0x5a, self.padding));
        bytes
    }

    /// The Ethernet header with its tags.
    pub fn front(&self) -> Vec<u8> {
        let ether_type: u16 = if self.source.is_ipv4() {
            0x0800
        } else {
            0x86dd
        };
        let types: &[u16] = match self.tags {
            [0, _] => &[],
            [_, 0] => &[0x8100],
            _ => &[0x88a8, 0x8100],
        };
        let mut front = self.macs.concat();
        for (kind, tag) in types.iter().zip(self.tags) {
            front.extend(kind.to_be_bytes());
            front.extend(tag.to_be_bytes());
        }
        front.extend(ether_type.to_be_bytes());
        front
    }

    /// The IP packet.
    pub fn ip(&self) -> Vec<u8> {
        let segment = self.segment();
        let segment = match self.part {
            Part::Whole => &segment[..],
            Part::First => &segment[..CUT],
            Part::Later => &segment[CUT..],
        };
        let mut bytes = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.v4(source.octets(), destination.octets(), segment.len())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.v6(source.octets(), destination.octets(), segment.len())
            }
            _ => panic!("two families"),
        };
        bytes.extend(segment);
        bytes
    }

    fn v4(&self, source: [u8; 4], destination: [u8; 4], payload: usize) -> Vec<u8> {
        let mut header = Ipv4Header {
            dscp: IpDscp::try_new(self.traffic >> 2).unwrap(),
            ecn: IpEcn::try_new(self.traffic & 3).unwrap(),
            identification: self.identification,
            dont_fragment: self.dont_fragment,
            more_fragments: matches!(self.part, Part::First),
            fragment_offset: IpFragOffset::try_new(match self.part {
                Part::Later => CUT as u16 / 8,
                _ => 0,
            })
            .unwrap(),
            time_to_live: self.hops,
            protocol: IpNumber(self.protocol()),
            source,
            destination,
            options: Ipv4Options::try_from(&self.options[..]).unwrap(),
            ..Ipv4Header::default()
        };
        header.total_len = (header.header_len() + payload) as u16;
        header.header_checksum = header.calc_header_checksum();
        header.to_bytes().to_vec()
    }

    fn v6(&self, source: [u8; 16], destination: [u8; 16], payload: usize) -> Vec<u8> {
        let mut extensions = self.options.clone();
        let mut next = self.protocol();
        if self.part != Part::Whole {
            let fragment = Ipv6FragmentHeader {
                next_header: IpNumber(next),
                fragment_offset: IpFragOffset::try_new(match self.part {
                    Part::Later => CUT as u16 / 8,
                    _ => 0,
                })
                .unwrap(),
                more_fragments: matches!(self.part, Part::First),
                identification: u32::from(self.identification),
            };
            extensions.extend(fragment.to_bytes());
            next = 44;
        }
        if !self.options.is_empty() {
            extensions[0] = next;
            next = 60;
        }
        let header = Ipv6Header {
            traffic_class: self.traffic,
            flow_label: Ipv6FlowLabel::try_new(self.label).unwrap(),
            payload_length: (extensions.len() + payload) as u16,
            next_header: IpNumber(next),
            hop_limit: self.hops,
            source,
            destination,
        };
        [&header.to_bytes()[..], &extensions].concat()
    }

    /// Transport header and payload, before anything is cut.
    fn segment(&self) -> Vec<u8> {
        let (from, to) = (self.source.port(), self.destination.port());
        let header = match &self.transport {
            Transport::Tcp | Transport::Syn(_) => {
                let mut header = TcpHeader::new(from, to, 0x0102_0304, 0xfedc);
                if let Transport::Syn(options) = &self.transport {
                    header.syn = true;
                    header.set_options_raw(options).unwrap();
                } else {
                    header.ack = true;
                    header.acknowledgment_number = 0x0506_0708;
                }
                header.checksum = match (self.source.ip(), self.destination.ip()) {
                    (IpAddr::V4(a), IpAddr::V4(b)) => {
                        header.calc_checksum_ipv4_raw(a.octets(), b.octets(), &self.payload)
                    }
                    (IpAddr::V6(a), IpAddr::V6(b)) => {
                        header.calc_checksum_ipv6_raw(a.octets(), b.octets(), &self.payload)
                    }
                    _ => panic!("two families"),
                }
                .unwrap();
                header.to_bytes().to_vec()
            }
            Transport::Udp | Transport::UdpUnsummed => {
                let mut header = UdpHeader {
                    source_port: from,
                    destination_port: to,
                    length: (8 + self.payload.len()) as u16,
                    checksum: 0,
                };
                if self.transport == Transport::Udp {
                    header.checksum = match (self.source.ip(), self.destination.ip()) {
                        (IpAddr::V4(a), IpAddr::V4(b)) => {
                            header.calc_checksum_ipv4_raw(a.octets(), b.octets(), &self.payload)
                        }
                        (IpAddr::V6(a), IpAddr::V6(b)) => {
                            header.calc_checksum_ipv6_raw(a.octets(), b.octets(), &self.payload)
                        }
                        _ => panic!("two families"),
                    }
                    .unwrap();
                }
                header.to_bytes().to_vec()
            }
        };
        [&header[..], &self.payload].concat()
    }

    fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Tcp | Transport::Syn(_) => TCP,
            Transport::Udp | Transport::UdpUnsummed => UDP,
        }
    }

    /// What the parser says of it.
    pub fn parsed(&self) -> Parsed {
        let l3 = self.front().len();
        let version = if self.source.is_ipv4() {
            Version::V4
        } else {
            Version::V6
        };
        let fixed = match (version, self.part) {
            (Version::V4, _) => 20,
            (Version::V6, Part::Whole) => 40,
            (Version::V6, _) => 48,
        };
        let ports = match self.part {
            Part::Later => 0,
            _ => FlowKey::ports(self.source.port(), self.destination.port()),
        };
        Parsed {
            version,
            l3,
            l4: l3 + fixed + self.options.len(),
            len: self.ip().len(),
            key: FlowKey {
                client: from_ip(self.source.ip()),
                vip: from_ip(self.destination.ip()),
                ports,
                protocol: u32::from(self.protocol()),
            },
            flags: match self.transport {
                Transport::Syn(_) => tcp::SYN,
                Transport::Tcp => tcp::ACK,
                _ => 0,
            },
            sequence: match self.transport {
                Transport::Syn(_) | Transport::Tcp => 0x0102_0304_u32.to_be(),
                _ => 0,
            },
            part: self.part,
            id: 0x1234,
        }
    }

    /// This frame sent by [`way`] with `tags`.
    pub fn sent(&self, tags: [u16; 2]) -> Self {
        Self {
            macs: WAY_MACS,
            tags,
            ..self.clone()
        }
    }
}

/// Destination and source of the frames that leave by [`way`].
const WAY_MACS: [[u8; 6]; 2] = [[2, 1, 1, 1, 1, 1], [2, 1, 1, 1, 1, 2]];

/// A way with `tags`, given in the host's order.
pub fn way(tags: [u16; 2]) -> Way {
    Way {
        ifindex: 9,
        ethernet: Backend::ethernet(WAY_MACS[0], WAY_MACS[1]),
        tags: in_memory(tags),
    }
}

/// Tags the way they stand in memory.
pub fn in_memory(tags: [u16; 2]) -> VlanTags {
    tags.map(u16::to_be)
}

/// No tag, one, two.
pub const TAGS: [[u16; 2]; 3] = [[0, 0], [0x2064, 0], [0x0065, 0xa066]];
