//! Frames for vectors, built by a library.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6FragmentHeader, PacketBuilder,
    PacketBuilderStep,
};

/// MAC address of the sender of every frame.
pub const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0xc1];
/// MAC address the frames are sent to: the balancer's.
pub const OUR_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x1b];

/// TCP flags, and what else a segment may carry.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Letters of `SAFRPU`.
    pub flags: &'static str,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number, where the flags have an `A`.
    pub acknowledgement: u32,
    /// Data.
    pub payload: Vec<u8>,
    /// Whether the header has options (MSS and timestamps).
    pub options: bool,
}

impl Segment {
    /// A segment with these flags and nothing else.
    pub fn new(flags: &'static str) -> Self {
        Self {
            flags,
            sequence: 1000,
            acknowledgement: 5000,
            ..Self::default()
        }
    }

    /// The same with another sequence number.
    pub fn at(self, sequence: u32) -> Self {
        Self { sequence, ..self }
    }

    /// The same with data.
    pub fn with(self, payload: &[u8]) -> Self {
        Self {
            payload: payload.to_vec(),
            ..self
        }
    }
}

/// A frame without VLAN tags the other way round: what is exchanged leaves every checksum as it is.
pub fn turned(frame: &[u8], is_v6: bool) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let (source, len, ports) = if is_v6 { (22, 16, 54) } else { (26, 4, 34) };
    for (at, len) in [(0, 6), (source, len), (ports, 2)] {
        frame[at..at + 2 * len].rotate_left(len);
    }
    frame
}

/// A TCP frame.
pub fn tcp(source: SocketAddr, destination: SocketAddr, segment: &Segment) -> Vec<u8> {
    let mut step =
        ip(source, destination).tcp(source.port(), destination.port(), segment.sequence, 64_000);
    for flag in segment.flags.chars() {
        step = match flag {
            'S' => step.syn(),
            'A' => step.ack(segment.acknowledgement),
            'F' => step.fin(),
            'R' => step.rst(),
            'P' => step.psh(),
            _ => step.urg(0),
        };
    }
    if segment.options {
        use etherparse::TcpOptionElement::{MaximumSegmentSize, Timestamp};
        step = step
            .options(&[MaximumSegmentSize(1460), Timestamp(7, 9)])
            .unwrap_or_else(|error| panic!("options that do not fit: {error}"));
    }
    written(|frame| {
        step.write(frame, &segment.payload)
            .map_err(|error| error.to_string())
    })
}

/// A UDP frame.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let step = ip(source, destination).udp(source.port(), destination.port());
    written(|frame| {
        step.write(frame, payload)
            .map_err(|error| error.to_string())
    })
}

/// An echo request.
pub fn ping(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let step = ip(SocketAddr::new(source, 0), SocketAddr::new(destination, 0));
    match source {
        IpAddr::V4(_) => written(|f| {
            step.icmpv4_echo_request(1, 1)
                .write(f, b"ping")
                .map_err(|e| e.to_string())
        }),
        IpAddr::V6(_) => written(|f| {
            step.icmpv6_echo_request(1, 1)
                .write(f, b"ping")
                .map_err(|e| e.to_string())
        }),
    }
}

/// An ICMP or ICMPv6 error of this type and code about the packet that `about` carries, of which `quoted` bytes come along
/// at most. `rest` are the header's last four bytes.
pub fn icmp_error(
    source: IpAddr,
    destination: IpAddr,
    [kind, code]: [u8; 2],
    rest: u32,
    about: &[u8],
    quoted: usize,
) -> Vec<u8> {
    let quote = &about[LINK..about.len().min(LINK + quoted)];
    let rest = rest.to_be_bytes();
    let step = ip(SocketAddr::new(source, 0), SocketAddr::new(destination, 0));
    match source {
        IpAddr::V4(_) => written(|f| {
            step.icmpv4_raw(kind, code, rest)
                .write(f, quote)
                .map_err(|e| e.to_string())
        }),
        IpAddr::V6(_) => written(|f| {
            step.icmpv6_raw(kind, code, rest)
                .write(f, quote)
                .map_err(|e| e.to_string())
        }),
    }
}

/// The frame from another station.
pub fn sent_by(frame: &[u8], mac: [u8; 6]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[6..12].copy_from_slice(&mac);
    frame
}

/// The frame with VLAN tags, outer first; of two the outer one is 802.1ad's.
pub fn tagged(frame: &[u8], tags: &[u16]) -> Vec<u8> {
    let mut all = frame[..12].to_vec();
    for (at, tag) in tags.iter().enumerate() {
        let kind: u16 = if at + 1 < tags.len() { 0x88a8 } else { 0x8100 };
        all.extend(kind.to_be_bytes());
        all.extend(tag.to_be_bytes());
    }
    all.extend(&frame[12..]);
    all
}

/// The untagged frame with this DSCP and ECN.
pub fn marked(frame: &[u8], traffic_class: u8) -> Vec<u8> {
    if frame[LINK] >> 4 == 6 {
        let mut marked = frame.to_vec();
        marked[LINK] = 0x60 | traffic_class >> 4;
        marked[LINK + 1] = traffic_class << 4 | frame[LINK + 1] & 0x0f;
        return marked;
    }
    let mut marked = frame.to_vec();
    marked[LINK + 1] = traffic_class;
    changed_v4(&marked, |_| ())
}

/// The frame with another time to live or hop limit.
pub fn with_hops(frame: &[u8], hops: u8) -> Vec<u8> {
    if frame[LINK] >> 4 == 6 {
        let mut frame = frame.to_vec();
        frame[LINK + 7] = hops;
        return frame;
    }
    changed_v4(frame, |header| header.time_to_live = hops)
}

/// The frame with IPv4 options, whose length is a multiple of four.
pub fn with_options(frame: &[u8], options: &[u8]) -> Vec<u8> {
    changed_v4(frame, |header| {
        header.options = options
            .try_into()
            .unwrap_or_else(|error| panic!("options that do not fit: {error}"));
        header.total_len += u16::try_from(options.len()).unwrap_or_default();
    })
}

/// The frame with IPv6 extension headers of these kinds, 8 bytes each, before its transport header: options that are
/// nothing but padding, routing headers with no segment left, atomic fragments.
pub fn with_extensions(frame: &[u8], kinds: &[u8]) -> Vec<u8> {
    let mut all = frame[..LINK + 40].to_vec();
    let transport = all[LINK + 6];
    let next = kinds.iter().skip(1).copied().chain([transport]);
    for (kind, next) in kinds.iter().zip(next) {
        all.extend(match *kind {
            FRAGMENT | ROUTING => [next, 0, 0, 0, 0, 0, 0, 9],
            // One option, PadN, of six bytes.
            _ => [next, 0, 1, 4, 0, 0, 0, 0],
        });
    }
    if let Some(first) = kinds.first() {
        all[LINK + 6] = *first;
    }
    all.extend(&frame[LINK + 40..]);
    let len = u16::try_from(all.len() - LINK - 40).unwrap_or(u16::MAX);
    all[LINK + 4..LINK + 6].copy_from_slice(&len.to_be_bytes());
    all
}

/// The frame's packet in fragments: the first `first` bytes behind the IP header, a multiple of eight, and the rest.
pub fn fragmented(frame: &[u8], first: usize, id: u16) -> [Vec<u8>; 2] {
    [
        fragment(frame, 0, first, id),
        fragment(frame, first, usize::MAX, id),
    ]
}

/// The fragment with bytes `from..to` of what is behind the IP header. It is the last one if it has the end.
pub fn fragment(frame: &[u8], from: usize, to: usize, id: u16) -> Vec<u8> {
    let offset = IpFragOffset::try_new(u16::try_from(from / 8).unwrap_or(u16::MAX))
        .unwrap_or_else(|error| panic!("no offset of a fragment: {error}"));
    if frame[LINK] >> 4 == 6 {
        let whole = &frame[LINK + 40..];
        let part = &whole[from..to.min(whole.len())];
        let header = Ipv6FragmentHeader::new(
            IpNumber(frame[LINK + 6]),
            offset,
            to < whole.len(),
            u32::from(id),
        );
        let mut all = frame[..LINK + 40].to_vec();
        all[LINK + 6] = FRAGMENT;
        let len = u16::try_from(8 + part.len()).unwrap_or(u16::MAX);
        all[LINK + 4..LINK + 6].copy_from_slice(&len.to_be_bytes());
        all.extend(header.to_bytes());
        all.extend(part);
        return all;
    }
    let behind = LINK + usize::from(frame[LINK] & 15) * 4;
    let whole = &frame[behind..];
    let part = &whole[from..to.min(whole.len())];
    let cut = [&frame[..behind], part].concat();
    changed_v4(&cut, |header| {
        header.identification = id;
        header.dont_fragment = false;
        header.fragment_offset = offset;
        header.more_fragments = to < whole.len();
        header.total_len = u16::try_from(cut.len() - LINK).unwrap_or(u16::MAX);
    })
}

/// Length of an Ethernet header.
const LINK: usize = 14;
/// The fragment header's number.
const FRAGMENT: u8 = 44;
/// The routing header's number.
const ROUTING: u8 = 43;

fn changed_v4(frame: &[u8], change: impl FnOnce(&mut Ipv4Header)) -> Vec<u8> {
    let (mut header, rest) = Ipv4Header::from_slice(&frame[LINK..])
        .unwrap_or_else(|error| panic!("no IPv4 header: {error}"));
    change(&mut header);
    header.header_checksum = header.calc_header_checksum();
    [&frame[..LINK], &header.to_bytes(), rest].concat()
}

fn ip(source: SocketAddr, destination: SocketAddr) -> PacketBuilderStep<IpHeaders> {
    let link = PacketBuilder::ethernet2(CLIENT_MAC, OUR_MAC);
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(s), IpAddr::V4(d)) => link.ipv4(s.octets(), d.octets(), 64),
        (IpAddr::V6(s), IpAddr::V6(d)) => link.ipv6(s.octets(), d.octets(), 64),
        (s, d) => panic!("{s} and {d} are of different families"),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>) -> Vec<u8> {
    let mut frame = Vec::new();
    if let Err(error) = write(&mut frame) {
        panic!("a frame that cannot be built: {error}");
    }
    frame
}
