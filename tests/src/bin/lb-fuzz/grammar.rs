//! Frames: well formed, answered, damaged.

use std::{collections::VecDeque, net::SocketAddr};

use fastrand::Rng;
use lb_common::Reason;
use lb_tests::frames::{self, Segment};

/// Makes frames, of which each depends on the seed and on what became of those before.
pub struct Grammar {
    rng: Rng,
    /// Frames that were sent to backends of late, as they left.
    sent: VecDeque<Vec<u8>>,
}

/// Frames kept to answer.
const KEPT: usize = 64;

const FLAGS: [&str; 14] = [
    "S", "S", "S", "A", "A", "A", "PA", "FA", "F", "R", "RA", "SA", "", "SF",
];

const TCP: [[&str; 2]; 8] = [
    ["198.51.100.7", "192.0.2.10:80"],
    ["2001:db8:c::7", "[2001:db8::10]:80"],
    ["198.51.100.7", "192.0.2.20:80"],
    ["2001:db8:c::7", "[2001:db8::20]:80"],
    ["2001:db8:c::7", "[2001:db8::30]:80"],
    ["198.51.100.7", "192.0.2.30:80"],
    ["198.51.100.7", "192.0.2.40:80"],
    ["198.51.100.200", "192.0.2.70:8042"],
];

const MORE_TCP: [[&str; 2]; 4] = [
    ["2001:db8:c::7", "[2001:db8::40]:80"],
    ["198.51.100.7", "192.0.2.50:80"],
    ["2001:db8:c::7", "[2001:db8::50]:80"],
    ["198.51.100.9", "192.0.2.99:80"],
];

const UDP: [[&str; 2]; 7] = [
    ["198.51.100.7", "192.0.2.10:53"],
    ["2001:db8:c::7", "[2001:db8::10]:53"],
    ["198.51.100.7", "192.0.2.20:53"],
    ["2001:db8:c::7", "[2001:db8::20]:53"],
    ["2001:db8:c::7", "[2001:db8::30]:53"],
    ["198.51.100.7", "192.0.2.30:53"],
    ["2001:db8:c::7", "[2001:db8:64::]:9"],
];

impl Grammar {
    /// A grammar of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            sent: VecDeque::new(),
        }
    }

    /// True once in `of` times.
    pub fn chance(&mut self, of: u32) -> bool {
        self.rng.u32(..of) == 0
    }

    /// A number below `most`.
    pub fn below(&mut self, most: u32) -> u32 {
        self.rng.u32(..most)
    }

    /// Takes note of what became of a frame.
    pub fn learn(&mut self, frame: &[u8], reason: Reason) {
        let went = matches!(
            reason,
            Reason::FlowNew | Reason::FlowHit | Reason::FlowReused | Reason::FlowMoved
        );
        if went {
            if self.sent.len() == KEPT {
                self.sent.pop_front();
            }
            self.sent.push_back(frame.to_vec());
        }
    }

    /// The next frame; at least 14 bytes, which the kernel asks for.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut frame = match self.rng.u32(..16) {
            0..=6 => self.tcp(),
            7..=9 => self.udp(),
            10..=12 => self.answer(),
            13 => self.error(),
            14 => self.ping(),
            _ => self.noise(),
        };
        frame = self.dressed(frame);
        if self.chance(4) {
            self.damage(&mut frame);
        }
        if frame.len() < 14 {
            frame.resize(14, 0);
        }
        // Longer than the packets the kernel tests with.
        frame.truncate(1514);
        frame
    }

    fn ends(&mut self, of: &[[&str; 2]]) -> (SocketAddr, SocketAddr) {
        let [client, vip] = of[self.rng.usize(..of.len())];
        let port = 1024 + self.rng.u16(..40);
        let client = client.parse().map(|ip| SocketAddr::new(ip, port));
        match (client, vip.parse()) {
            (Ok(client), Ok(vip)) => (client, vip),
            _ => unreachable!("addresses of this file"),
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let most = if self.chance(8) { 1440 } else { 60 };
        let len = self.rng.usize(..most);
        (0..len).map(|_| self.rng.u8(..)).collect()
    }

    fn tcp(&mut self) -> Vec<u8> {
        let all: Vec<[&str; 2]> = TCP.iter().chain(&MORE_TCP).copied().collect();
        let (client, vip) = self.ends(&all);
        let segment = Segment {
            flags: FLAGS[self.rng.usize(..FLAGS.len())],
            sequence: self.rng.u32(..4),
            acknowledgement: self.rng.u32(..),
            payload: self.payload(),
            options: self.rng.bool(),
        };
        frames::tcp(client, vip, &segment)
    }

    fn udp(&mut self) -> Vec<u8> {
        let (client, vip) = self.ends(&UDP);
        let payload = self.payload();
        let mut frame = frames::udp(client, vip, &payload);
        if self.chance(8) && client.is_ipv4() {
            // Without a checksum.
            frame[40..42].fill(0);
        }
        frame
    }

    /// What a backend would answer to a frame that was sent to it.
    fn answer(&mut self) -> Vec<u8> {
        let Some(asked) = self.asked() else {
            return self.tcp();
        };
        let Ok(sliced) = etherparse::SlicedPacket::from_ethernet(&asked) else {
            return asked.clone();
        };
        let ends = |source: u16, destination: u16| {
            let (from, to): (std::net::IpAddr, std::net::IpAddr) = match &sliced.net {
                Some(etherparse::NetSlice::Ipv4(ip)) => (
                    ip.header().source_addr().into(),
                    ip.header().destination_addr().into(),
                ),
                Some(etherparse::NetSlice::Ipv6(ip)) => (
                    ip.header().source_addr().into(),
                    ip.header().destination_addr().into(),
                ),
                _ => return None,
            };
            Some((
                SocketAddr::new(to, destination),
                SocketAddr::new(from, source),
            ))
        };
        match &sliced.transport {
            Some(etherparse::TransportSlice::Tcp(tcp)) => {
                let Some((from, to)) = ends(tcp.source_port(), tcp.destination_port()) else {
                    return asked.clone();
                };
                let flags = if tcp.syn() && self.rng.bool() {
                    "SA"
                } else {
                    FLAGS[self.rng.usize(..FLAGS.len())]
                };
                let segment = Segment {
                    flags,
                    payload: self.payload(),
                    options: self.rng.bool(),
                    ..Segment::new("A")
                };
                frames::tcp(from, to, &segment)
            }
            Some(etherparse::TransportSlice::Udp(udp)) => {
                match ends(udp.source_port(), udp.destination_port()) {
                    Some((from, to)) => {
                        let payload = self.payload();
                        frames::udp(from, to, &payload)
                    }
                    None => asked.clone(),
                }
            }
            _ => asked.clone(),
        }
    }

    fn asked(&mut self) -> Option<Vec<u8>> {
        let at = self.rng.usize(..self.sent.len().max(1));
        self.sent.get(at).cloned()
    }

    /// An ICMP error about a frame that was sent, by either end's path.
    fn error(&mut self) -> Vec<u8> {
        let about = match self.rng.u32(..3) {
            0 => self.asked().unwrap_or_else(|| self.tcp()),
            1 => self.answer(),
            _ => self.tcp(),
        };
        let v4 = about.get(12..14) == Some(&[8, 0]);
        let v6 = about.get(12..14) == Some(&[0x86, 0xdd]);
        let (from, to): (&str, String) = match (v4, v6, &about) {
            (true, _, about) if about.len() >= 34 => {
                let ip: [u8; 4] = [about[26], about[27], about[28], about[29]];
                ("203.0.113.9", std::net::Ipv4Addr::from(ip).to_string())
            }
            (_, true, about) if about.len() >= 54 => {
                let mut ip = [0; 16];
                ip.copy_from_slice(&about[22..38]);
                ("2001:db8:f::9", std::net::Ipv6Addr::from(ip).to_string())
            }
            _ => return about,
        };
        let (Ok(from), Ok(to)) = (from.parse(), to.parse()) else {
            return about;
        };
        const KINDS: [u8; 7] = [3, 11, 12, 1, 2, 4, 5];
        let code = if self.chance(4) {
            self.rng.u8(..17)
        } else {
            [4, 0, 1][self.rng.usize(..3)]
        };
        let kind = [KINDS[self.rng.usize(..KINDS.len())], code];
        let quoted = [8, 28, 48, 68, 200, 1200][self.rng.usize(..6)];
        // An MTU, or a pointer of IPv4.
        let rest = if self.chance(2) {
            self.rng.u32(..1500)
        } else {
            self.rng.u32(..40) << 24
        };
        frames::icmp_error(from, to, kind, rest, &about, quoted)
    }

    fn ping(&mut self) -> Vec<u8> {
        let of: Vec<[&str; 2]> = TCP.iter().chain(&UDP).copied().collect();
        let (client, vip) = self.ends(&of);
        frames::ping(client.ip(), vip.ip())
    }

    fn noise(&mut self) -> Vec<u8> {
        let len = self.rng.usize(14..120);
        (0..len).map(|_| self.rng.u8(..)).collect()
    }

    /// Adds what a frame may have: another sender, options, extension headers, fragments, VLAN tags, padding.
    fn dressed(&mut self, frame: Vec<u8>) -> Vec<u8> {
        let mut frame = frame;
        let v4 = frame.len() > 34 && frame[12..15] == [8, 0, 0x45];
        let v6 = frame.len() > 54 && frame[12..14] == [0x86, 0xdd] && frame[14] >> 4 == 6;
        if v4 && self.chance(12) {
            let options = [1, 7, 7, 4, 0, 0, 0, 0, 1, 1, 1, 0];
            let len = 4 * self.rng.usize(1..=3);
            frame = frames::with_options(&frame, &options[..len]);
        }
        if v6 && self.chance(12) {
            const KINDS: [u8; 6] = [0, 43, 60, 51, 44, 60];
            let count = self.rng.usize(1..8);
            let kinds: Vec<u8> = (0..count).map(|_| KINDS[self.rng.usize(..6)]).collect();
            frame = frames::with_extensions(&frame, &kinds);
        }
        if (v4 || v6) && self.chance(10) {
            let id = self.rng.u16(..6);
            let behind = if v4 {
                14 + usize::from(frame[14] & 15) * 4
            } else {
                54
            };
            let most = (frame.len() - behind) / 8 * 8;
            let from = 8 * self.rng.usize(..=most / 8);
            let to = (from + 8 * self.rng.usize(1..6)).min(frame.len() - behind);
            if from < to {
                frame = frames::fragment(&frame, from, to, id);
            }
        }
        if self.chance(3) {
            frame = frames::sent_by(&frame, [2, 0, 0, 0, 9, self.rng.u8(..4)]);
        }
        match self.rng.u32(..12) {
            0 => frame = frames::tagged(&frame, &[100]),
            1 => frame = frames::tagged(&frame, &[100, 200]),
            2 => frame = frames::tagged(&frame, &[self.rng.u16(..)]),
            3 => frame.extend(std::iter::repeat_n(0, self.rng.usize(..20))),
            _ => {}
        }
        frame
    }

    /// Changes a few bytes, cuts, or repeats a part.
    fn damage(&mut self, frame: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(1..4) {
            if frame.is_empty() {
                return;
            }
            let at = self.rng.usize(..frame.len().min(120));
            match self.rng.u32(..6) {
                0 => frame.truncate(at.max(14)),
                1 => {
                    let part = frame[at..].to_vec();
                    frame.extend(part.iter().take(32));
                }
                2 => frame[at] = 0,
                3 => frame[at] = 0xff,
                4 => frame[at] ^= 1 << self.rng.u32(..8),
                _ => frame[at] = self.rng.u8(..),
            }
        }
    }
}
