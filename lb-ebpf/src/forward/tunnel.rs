//! Tunnels: the client's packet travels to the backend untouched inside an outer packet, and the backend, which has
//! the VIP, answers the client itself. IP in IP (RFC 2003, RFC 2473, RFC 4213) and generic UDP encapsulation
//! (draft-ietf-intarea-gue-09), over IPv4 and IPv6.
//!
//! The inner time to live stays: RFC 2003 section 3.1 takes one from it where the packet would be forwarded as it is,
//! but here the tunnel only carries it on to an owner of the very address it was sent to, and the hops between are
//! counted by the outer header, which begins with a hop count of its own.

use lb_common::{
    Backend, UDP,
    address::{is_v4, to_v4},
};

use crate::{
    checksum,
    forward::{
        front::{self, Way},
        refusal::Refusal,
    },
    header::{ethernet, ipv4, ipv6, udp},
    packet::Packet,
    parse::{Parsed, Version},
    verdict::Verdict,
};

/// Length of the header of GUE variant 0.
const GUE_LEN: usize = 4;
/// First of the 16,384 source ports of tunnels: the dynamic ports (RFC 6335 section 6).
const FIRST_PORT: u16 = 49152;

/// Puts the packet into the tunnel to `backend` and says by which interface the frame leaves. `hash` is the flow's:
/// packets of one flow take one path. Nothing has changed where it is refused as too big.
///
/// Bytes behind the IP packet (Ethernet's padding) stay behind the outer packet.
#[inline(always)]
pub fn encapsulate<P: Packet>(
    packet: &mut P,
    parsed: &Parsed,
    backend: &Backend,
    hash: u64,
) -> Result<Verdict, Refusal> {
    let over_v4 = is_v4(&backend.address);
    let middle = match backend.forward {
        Backend::GUE => udp::LEN,
        Backend::GUE_HEADER => udp::LEN + GUE_LEN,
        _ => 0,
    };
    let outer = if over_v4 { ipv4::LEN } else { ipv6::LEN };
    let mtu = usize::from(backend.mtu);
    if parsed.len + outer + middle > mtu {
        return Err(Refusal::TooBig(mtu.saturating_sub(outer + middle) as u16));
    }
    let inner = Inner::read(packet, parsed).ok_or(Refusal::Truncated)?;
    let protocol = if middle == 0 { inner.protocol } else { UDP };
    let payload = parsed.len + middle;
    let way = Way::to(backend);
    let room = (outer + middle) as isize;
    let ether_type = if over_v4 {
        ethernet::IPV4
    } else {
        ethernet::IPV6
    };
    let at = front::write(packet, &way, parsed.l3, room, ether_type).ok_or(Refusal::Truncated)?;
    let stored = if over_v4 {
        packet.store(at, &outer_v4(backend, &inner, protocol, payload))
    } else {
        packet.store(at, &outer_v6(backend, &inner, protocol, payload, hash))
    };
    stored.ok_or(Refusal::Truncated)?;
    store_middle(packet, at + outer, middle, backend, &inner, payload, hash)
        .ok_or(Refusal::Truncated)?;
    Ok(front::leave(packet, &way))
}

/// What the outer header takes from the inner one.
struct Inner {
    /// 4 or 41.
    protocol: u8,
    /// DSCP and ECN: copied to the outer header (RFC 2983, uniform model; RFC 6040 section 4.1, normal mode).
    traffic_class: u8,
    /// Identification and don't-fragment bit of an outer IPv4 header, as its second word stands in memory.
    fragmentation: u32,
}

impl Inner {
    #[inline(always)]
    fn read<P: Packet>(packet: &P, parsed: &Parsed) -> Option<Self> {
        match parsed.version {
            Version::V4 => {
                let ip = packet.header::<{ ipv4::LEN }>(parsed.l3)?;
                Some(Self {
                    protocol: ipv4::PROTOCOL,
                    traffic_class: ipv4::traffic_class(&ip),
                    // "If the 'Don't Fragment' bit is set in the inner IP header, it MUST be set in the outer IP
                    // header" (RFC 2003 section 3.1). Where it is not, the outer packet may be fragmented and needs
                    // an identification (RFC 6864): the inner one is as good as its sender made it.
                    fragmentation: ipv4::fragmentation(&ip) & IDENTIFICATION_AND_DF,
                })
            }
            Version::V6 => {
                let ip = packet.header::<{ ipv6::LEN }>(parsed.l3)?;
                Some(Self {
                    protocol: ipv6::PROTOCOL,
                    traffic_class: ipv6::traffic_class(&ip),
                    // Routers do not fragment IPv6.
                    fragmentation: word([0, 0, ipv4::DONT_FRAGMENT, 0]),
                })
            }
        }
    }
}

const IDENTIFICATION_AND_DF: u32 = word([0xff, 0xff, ipv4::DONT_FRAGMENT, 0]);

/// `payload` is the length of what follows the header.
#[inline(always)]
fn outer_v4(backend: &Backend, inner: &Inner, protocol: u8, payload: usize) -> [u32; 5] {
    let [high, low] = ((ipv4::LEN + payload) as u16).to_be_bytes();
    let mut header = [
        word([0x45, inner.traffic_class, high, low]),
        inner.fragmentation,
        word([backend.hops, protocol, 0, 0]),
        to_v4(&backend.ends),
        to_v4(&backend.address),
    ];
    let [a, b] = checksum::finish(checksum::add(0, &header)).to_ne_bytes();
    header[2] = word([backend.hops, protocol, a, b]);
    header
}

/// `payload` is the length of what follows the header.
#[inline(always)]
fn outer_v6(
    backend: &Backend,
    inner: &Inner,
    protocol: u8,
    payload: usize,
    hash: u64,
) -> [u32; 10] {
    // The flow label spreads a tunnel's flows over equal paths (RFC 6438 section 3); 0 would mean none.
    let label = (hash >> 16) as u32 & 0xf_ffff | 1;
    let [high, low] = (payload as u16).to_be_bytes();
    let [a, b, c, d] = ipv6::words(&backend.ends);
    let [e, f, g, h] = ipv6::words(&backend.address);
    [
        ipv6::first_word(inner.traffic_class, label),
        word([high, low, protocol, backend.hops]),
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
    ]
}

/// Stores the `middle` bytes between the outer IP header and the inner packet, `payload` bytes with the inner packet.
///
/// The UDP checksum is 0. IPv4 allows it (RFC 768); IPv6 allows it for tunnels, at the ends' configuration
/// (RFC 6935 section 5, RFC 6936 section 4): the inner packet has checksums of its own.
#[inline(always)]
fn store_middle<P: Packet>(
    packet: &mut P,
    at: usize,
    middle: usize,
    backend: &Backend,
    inner: &Inner,
    payload: usize,
    hash: u64,
) -> Option<()> {
    if middle == 0 {
        return Some(());
    }
    // One of the dynamic ports, the same for every packet of the flow.
    let [a, b] = (FIRST_PORT | (hash >> 32) as u16 & !FIRST_PORT).to_be_bytes();
    let [c, d] = backend.port.to_ne_bytes();
    let [e, f] = (payload as u16).to_be_bytes();
    let header = [word([a, b, c, d]), word([e, f, 0, 0])];
    packet.store(at, &header)?;
    if middle > udp::LEN {
        // Variant 0, a data message, no optional fields, the protocol of what follows, no flags.
        packet.store(at + udp::LEN, &[word([0, inner.protocol, 0, 0])])?;
    }
    Some(())
}

#[inline(always)]
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
