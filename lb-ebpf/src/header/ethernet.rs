//! Ethernet II (IEEE 802.3).

use crate::packet::Header;

/// Length of the header.
pub const LEN: usize = 14;
/// Length of a VLAN tag: tag control information, then the EtherType of what follows.
pub const TAG_LEN: usize = 4;
/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// EtherType of an 802.1ad tag.
pub const QINQ: u16 = 0x88a8;

/// EtherType.
#[inline(always)]
pub fn ether_type(header: &impl Header<LEN>) -> u16 {
    u16::from_be(header.u16::<12>())
}

/// Whether the destination is a group address: the lowest bit of its first byte.
#[inline(always)]
pub fn is_group(header: &impl Header<LEN>) -> bool {
    header.u8::<0>() & 1 != 0
}
