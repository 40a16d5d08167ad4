//! Takes packets out of tunnels, for a backend whose kernel has no tunnel set up: what `forward::tunnel` puts in, on the
//! other end. IP in IP (RFC 2003, RFC 2473, RFC 4213) and generic UDP encapsulation (draft-ietf-intarea-gue-09), over IPv4
//! and IPv6.
//!
//! What needs more than this stays as it came, for the kernel: outer packets with options, extension headers or in
//! fragments, GUE's control messages and optional fields.

mod inner;
mod outer;
mod tunnel;

use lb_common::decap::{MAX_SOURCES, Reason, Settings};
use outer::Outer;

use crate::{
    header::ethernet,
    packet::{Header as _, Packet},
    parse::Version,
};

/// Takes the inner packet out: Ethernet addresses and VLAN tags stay, the EtherType becomes the inner packet's, bytes
/// behind the outer packet (Ethernet's padding) stay behind the inner one. Nothing has changed where the reason is
/// another.
#[inline(always)]
pub fn decapsulate<P: Packet>(packet: &mut P, settings: &Settings) -> Reason {
    match take_out(packet, settings) {
        Ok(reason) | Err(reason) => reason,
    }
}

#[inline(always)]
fn take_out<P: Packet>(packet: &mut P, settings: &Settings) -> Result<Reason, Reason> {
    let outer = outer::read(packet).ok_or(Reason::Passed)?;
    let tunnel = tunnel::of(packet, &outer, settings.port).ok_or(Reason::Passed)?;
    if !may_send(settings, &outer) {
        return Err(Reason::Refused);
    }
    let end = outer::end(packet, &outer).ok_or(Reason::Malformed)?;
    let content = tunnel::content(packet, &outer, tunnel, end)?;
    let inner = inner::read(packet, &content).ok_or(Reason::Malformed)?;
    inner::mark(packet, &content, &inner, outer.congestion)?;
    strip(packet, outer.l3, content.at, content.version).ok_or(Reason::Malformed)?;
    Ok(content.reason)
}

/// Whether a tunnel's other end may have this address. RFC 4213 section 4 would have decapsulators drop packets of
/// sources they do not know: the inner source address is anybody's claim.
#[inline(always)]
fn may_send(settings: &Settings, outer: &Outer) -> bool {
    if settings.restricted == 0 {
        return true;
    }
    let version = match outer.version {
        Version::V4 => 4,
        Version::V6 => 6,
    };
    // To the end in any case: the verifier would follow every way out of the loop.
    let mut others = true;
    let mut at = 0;
    while at < MAX_SOURCES {
        others &= settings.sources[at].differs(version, &outer.source) != 0;
        at += 1;
    }
    !others
}

/// Puts what stands before `l3` right before `at`, with the EtherType of `version`.
#[inline(always)]
fn strip<P: Packet>(packet: &mut P, l3: usize, at: usize, version: Version) -> Option<()> {
    const ADDRESSES: usize = ethernet::LEN - 2;
    const ONE_TAG: usize = ethernet::LEN + ethernet::TAG_LEN;
    const TWO_TAGS: usize = ethernet::LEN + 2 * ethernet::TAG_LEN;
    let addresses = {
        let header = packet.header::<ADDRESSES>(0)?;
        [header.u32::<0>(), header.u32::<4>(), header.u32::<8>()]
    };
    let ether_type = match version {
        Version::V4 => ethernet::IPV4,
        Version::V6 => ethernet::IPV6,
    };
    match l3 {
        ONE_TAG => {
            let tag = packet.header::<4>(ADDRESSES)?.u32::<0>();
            packet.refront(at, ONE_TAG)?;
            packet.store(ADDRESSES, &[tag])?;
        }
        TWO_TAGS => {
            let tags = {
                let header = packet.header::<8>(ADDRESSES)?;
                [header.u32::<0>(), header.u32::<4>()]
            };
            packet.refront(at, TWO_TAGS)?;
            packet.store(ADDRESSES, &tags)?;
        }
        _ => packet.refront(at, ethernet::LEN)?,
    }
    packet.store(0, &addresses)?;
    packet.store_u16(l3 - 2, ether_type.to_be())
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
