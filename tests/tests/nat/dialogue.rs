//! A client and the backend behind a service, who speak in turn.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use etherparse::{LinkExtSlice, LinkSlice, NetSlice, SlicedPacket, TransportSlice};
use lb_agent::observed::flows;
use lb_common::{Flow, FlowTag, TCP, address::to_ip};
use lb_ebpf::verdict::Verdict;
use lb_tests::frames::{self, Segment};

use crate::story::{Story, socket};

/// A flow from its first packet on.
pub struct Dialogue {
    pub client: SocketAddr,
    pub vip: SocketAddr,
    /// The backend, and what it takes for the client, once a packet got there.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// VLAN tags the client's frames come with.
    pub tags: Vec<u16>,
    /// MAC address they come from.
    pub mac: [u8; 6],
}

impl Dialogue {
    pub fn new(client: &str, vip: &str) -> Self {
        Self {
            client: socket(client),
            vip: socket(vip),
            ends: None,
            tags: Vec::new(),
            mac: frames::CLIENT_MAC,
        }
    }

    /// The frame as the client's next hop sends it.
    pub fn dressed(&self, frame: &[u8]) -> Vec<u8> {
        frames::tagged(&frames::sent_by(frame, self.mac), &self.tags)
    }

    /// The client says something.
    pub fn asks(&mut self, story: &mut Story, segment: &Segment) -> Vec<u8> {
        let frame = self.dressed(&frames::tcp(self.client, self.vip, segment));
        let what = format!("client {}", spoken(segment));
        self.request(story, &what, &frame)
    }

    /// The backend says something.
    pub fn answers(&mut self, story: &mut Story, segment: &Segment) -> Vec<u8> {
        let (backend, ours) = self.ends.expect("the backend was asked");
        let what = format!("backend {}", spoken(segment));
        self.response(story, &what, &frames::tcp(backend, ours, segment))
    }

    /// The client sends a datagram.
    pub fn queries(&mut self, story: &mut Story) -> Vec<u8> {
        let frame = self.dressed(&frames::udp(self.client, self.vip, b"question"));
        self.request(story, "client udp", &frame)
    }

    /// The backend sends one.
    pub fn responds(&mut self, story: &mut Story) -> Vec<u8> {
        let (backend, ours) = self.ends.expect("the backend was asked");
        self.response(story, "backend udp", &frames::udp(backend, ours, b"answer"))
    }

    /// Any frame of the client; where it leaves for a backend is remembered.
    pub fn request(&mut self, story: &mut Story, what: &str, frame: &[u8]) -> Vec<u8> {
        let left = story.shows(what, frame);
        if let Some(ends) = sockets(&left).filter(|(source, _)| *source != self.client)
            && ends != (self.vip, self.client)
        {
            self.ends = Some((ends.1, ends.0));
        }
        self.say_states(story);
        left
    }

    /// Any frame of the backend.
    pub fn response(&mut self, story: &mut Story, what: &str, frame: &[u8]) -> Vec<u8> {
        let left = story.shows(what, frame);
        self.say_states(story);
        left
    }

    fn say_states(&self, story: &mut Story) {
        let line = story.states(self.client);
        story.say(&format!("    {line}"));
    }
}

fn spoken(segment: &Segment) -> String {
    let data = match segment.payload.len() {
        0 => String::new(),
        len => format!("+{len}"),
    };
    format!("{}{data} seq {}", segment.flags, segment.sequence)
}

impl Story {
    /// A frame, and how it left; returns it, empty where it did not.
    pub fn shows(&mut self, what: &str, frame: &[u8]) -> Vec<u8> {
        let seen = self.run(what, frame);
        if !matches!(seen.verdict, Verdict::Tx | Verdict::Redirect(_)) {
            assert!(
                seen.verdict != Verdict::Pass || seen.frame == frame,
                "{what}: the host gets another frame"
            );
            return Vec::new();
        }
        self.say(&format!("    left {}", described(&seen.frame)));
        seen.frame
    }

    /// The entries of the flow table that have this client.
    pub fn states(&self, client: SocketAddr) -> String {
        let mut found: Vec<String> = flows(&*self.world.kernel)
            .filter(|(_, flow)| {
                flow.kind <= Flow::REPLY
                    && to_ip(flow.key.client) == client.ip()
                    && flow.key.client_port() == client.port()
            })
            .map(|(tag, flow)| self.entry(tag, &flow))
            .collect();
        found.sort();
        match found.len() {
            0 => "no flow".into(),
            _ => found.join("; "),
        }
    }

    fn entry(&self, tag: FlowTag, flow: &Flow) -> String {
        let kind = if flow.kind == Flow::REPLY {
            "reply"
        } else {
            "forward"
        };
        let is_tcp = flow.key.protocol == u32::from(TCP);
        let state = match flow.state {
            Flow::OPENING => "opening",
            Flow::OPEN => "open",
            Flow::CLOSED => "closed",
            Flow::CLIENT_CLOSED => "client-closed",
            Flow::BACKEND_CLOSED => "backend-closed",
            _ => "?",
        };
        let mut text = format!("{kind} {state}");
        if flow.port != 0 {
            let _ = write!(text, " port {}", u16::from_be(flow.port));
        }
        if flow.kind == Flow::FORWARD {
            let _ = write!(text, " {}", self.world.backend_name(tag.backend()));
        }
        if !is_tcp {
            text += " udp";
        }
        if flow.twin == Flow::NO_TWIN {
            text += " alone";
        }
        text
    }
}

/// Source and destination of a frame's TCP or UDP packet.
pub fn sockets(frame: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let (source, destination) = addresses(sliced.net.as_ref()?)?;
    let (from, to) = match sliced.transport? {
        TransportSlice::Tcp(tcp) => (tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port()),
        _ => return None,
    };
    Some((
        SocketAddr::new(source, from),
        SocketAddr::new(destination, to),
    ))
}

fn addresses(net: &NetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        NetSlice::Ipv4(ip) => Some((
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        )),
        NetSlice::Ipv6(ip) => Some((
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        )),
        _ => None,
    }
}

/// A frame in words.
pub fn described(frame: &[u8]) -> String {
    let sliced = SlicedPacket::from_ethernet(frame).expect("a frame");
    let Some(LinkSlice::Ethernet2(link)) = &sliced.link else {
        panic!("no Ethernet header");
    };
    let tags: Vec<String> = sliced
        .link_exts
        .iter()
        .map(|ext| match ext {
            LinkExtSlice::Vlan(tag) => tag.vlan_identifier().value().to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    let mut text = format!("for {}", mac(link.destination()));
    if !tags.is_empty() {
        let _ = write!(text, " VLAN {}", tags.join("."));
    }
    let ip = &sliced.ether_payload().expect("a payload").payload;
    let _ = write!(text, ": {}", packet(ip));
    text
}

fn packet(bytes: &[u8]) -> String {
    let sliced = SlicedPacket::from_ip(bytes).expect("an IP packet");
    let net = sliced.net.as_ref().expect("an IP header");
    let (source, destination) = addresses(net).expect("IP");
    let hops = match net {
        NetSlice::Ipv4(ip) => ip.header().ttl(),
        NetSlice::Ipv6(ip) => ip.header().hop_limit(),
        NetSlice::Arp(_) => panic!("ARP"),
    };
    let payload = net.ip_payload_ref().expect("an IP packet");
    let piece = if payload.fragmented {
        format!(", fragment of {} bytes", payload.payload.len())
    } else {
        String::new()
    };
    match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => format!(
            "{} > {} hops {hops} tcp seq {} data {}{piece}",
            SocketAddr::new(source, tcp.source_port()),
            SocketAddr::new(destination, tcp.destination_port()),
            tcp.sequence_number(),
            tcp.payload().len()
        ),
        Some(TransportSlice::Udp(udp)) => format!(
            "{} > {} hops {hops} udp data {}{}{piece}",
            SocketAddr::new(source, udp.source_port()),
            SocketAddr::new(destination, udp.destination_port()),
            udp.payload().len(),
            if udp.checksum() == 0 {
                " no checksum"
            } else {
                ""
            }
        ),
        Some(TransportSlice::Icmpv4(icmp)) => message(
            &format!("{source} > {destination} hops {hops} icmp"),
            icmp.slice(),
            matches!(icmp.type_u8(), 3 | 11 | 12),
        ),
        Some(TransportSlice::Icmpv6(icmp)) => message(
            &format!("{source} > {destination} hops {hops} icmpv6"),
            icmp.slice(),
            icmp.type_u8() < 128,
        ),
        _ => format!("{source} > {destination} hops {hops}{piece}"),
    }
}

fn message(ends: &str, bytes: &[u8], is_error: bool) -> String {
    let mut text = format!("{ends} type {} code {}", bytes[0], bytes[1]);
    let rest = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    if !is_error {
        return text;
    }
    if rest != 0 {
        let _ = write!(text, " ({rest})");
    }
    let quoted = &bytes[8..];
    let at = |at: usize| u16::from_be_bytes([quoted[at], quoted[at + 1]]);
    let (source, destination, behind): (IpAddr, IpAddr, usize) = if quoted[0] >> 4 == 4 {
        let four = |at: usize| <[u8; 4]>::try_from(&quoted[at..at + 4]).expect("four bytes");
        (
            four(12).into(),
            four(16).into(),
            usize::from(quoted[0] & 15) * 4,
        )
    } else {
        let all = |at: usize| <[u8; 16]>::try_from(&quoted[at..at + 16]).expect("an address");
        (all(8).into(), all(24).into(), 40)
    };
    let _ = write!(
        text,
        " about {} > {}, {} bytes quoted",
        SocketAddr::new(source, at(behind)),
        SocketAddr::new(destination, at(behind + 2)),
        quoted.len()
    );
    text
}

fn mac([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
