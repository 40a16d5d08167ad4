//! Frames for vectors, built by a library.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};

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
