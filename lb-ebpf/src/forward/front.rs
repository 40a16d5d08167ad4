//! A frame's front: its Ethernet header and VLAN tags (IEEE 802.3, 802.1Q, 802.1ad), written for the way it leaves by.

use lb_common::{Backend, backend::VlanTags};

use crate::{header::ethernet, packet::Packet, verdict::Verdict};

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Index of the interface it leaves by.
    pub ifindex: u32,
    /// Its first 12 bytes, the way they stand in memory: next hop's MAC address, own MAC address.
    pub ethernet: [u32; 3],
    /// The VLAN tags it leaves with.
    pub tags: VlanTags,
}

impl Way {
    /// The way to `backend`.
    #[inline(always)]
    pub const fn to(backend: &Backend) -> Self {
        Self {
            ifindex: backend.ifindex,
            ethernet: backend.ethernet,
            tags: backend.tags,
        }
    }
}

/// Length of an Ethernet header with `tags`: 14, 18 or 22 bytes.
#[inline(always)]
pub const fn len(tags: &VlanTags) -> usize {
    match tags {
        [0, _] => ethernet::LEN,
        [_, 0] => ethernet::LEN + ethernet::TAG_LEN,
        _ => ethernet::LEN + 2 * ethernet::TAG_LEN,
    }
}

/// Writes the front of `way` before the IP header, which begins at `l3`, and returns the offset right after the
/// front. `None` where the frame is too short or has no room in front.
///
/// `room` bytes are inserted between the front and what begins at `l3` now (an outer header, which the caller
/// writes), or, when negative, taken away from there. With 0 the IP header stays as it is, so a frame that comes and
/// leaves untagged has the right EtherType already and only its addresses are stored.
#[inline(always)]
pub fn write<P: Packet>(
    packet: &mut P,
    way: &Way,
    l3: usize,
    room: isize,
    ether_type: u16,
) -> Option<usize> {
    if room == 0 && l3 == ethernet::LEN && way.tags[0] == 0 {
        packet.store(0, &way.ethernet)?;
        return Some(ethernet::LEN);
    }
    rewrite(packet, way, l3, room, ether_type)
}

/// As [`write`], but the IP version may change while `room` is 0.
#[inline(always)]
pub fn rewrite<P: Packet>(
    packet: &mut P,
    way: &Way,
    l3: usize,
    room: isize,
    ether_type: u16,
) -> Option<usize> {
    let front = len(&way.tags);
    let (from, to) = if room < 0 {
        (l3 + room.unsigned_abs(), front)
    } else {
        (l3, front + room.unsigned_abs())
    };
    if from != to {
        packet.refront(from, to)?;
    }
    packet.store(0, &way.ethernet)?;
    let [outer, inner] = way.tags;
    if outer == 0 {
        packet.store_u16(ethernet::LEN - 2, ether_type.to_be())?;
    } else if inner == 0 {
        let tag = pair(ethernet::VLAN.to_be(), outer);
        packet.store(ethernet::LEN - 2, &[tag])?;
        packet.store_u16(ethernet::LEN + 2, ether_type.to_be())?;
    } else {
        let tags = [
            pair(ethernet::QINQ.to_be(), outer),
            pair(ethernet::VLAN.to_be(), inner),
        ];
        packet.store(ethernet::LEN - 2, &tags)?;
        packet.store_u16(ethernet::LEN + 6, ether_type.to_be())?;
    }
    Some(front)
}

/// Sends the frame off by the interface of `way`.
#[inline(always)]
pub fn leave<P: Packet>(packet: &P, way: &Way) -> Verdict {
    if way.ifindex == packet.ingress() {
        Verdict::Tx
    } else {
        Verdict::Redirect(way.ifindex)
    }
}

/// One word of two halves, all the way they stand in memory.
#[inline(always)]
const fn pair(first: u16, second: u16) -> u32 {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
