//! Names and addresses that can mean one server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use lb_common::note::MAX_NAME;

/// What a name is made of, for messages.
pub(super) const NAME_RULE: &str = "use 1 to 63 of a-z A-Z 0-9 . _ -";

/// Whether `name` can name a service or a backend.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain)
}

/// Whether Linux would let an interface have this name (`dev_valid_name` in net/core/dev.c).
pub(super) fn is_interface_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
    (1..=15).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != ".."
}

/// `IPv4` or `IPv6`.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Addresses that cannot be a VIP, a source or a backend, and why.
const UNUSABLE: &[(IpNet, &str)] = &[
    (v4([0, 0, 0, 0], 32), EVERY),
    (v4([127, 0, 0, 0], 8), LOOPBACK),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    (v4([255, 255, 255, 255], 32), "is the broadcast address"),
    (v6([0; 8], 128), EVERY),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),
    // The maps hold IPv4 addresses in this form, so it would be a second spelling of the same destination.
    (MAPPED, "is an IPv4 address written as IPv6"),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        "is a link-local address, which means another server on every interface",
    ),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
];
const MAPPED: IpNet = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
const EVERY: &str = "stands for every address";
const LOOPBACK: &str = "is a loopback address, which no packet on a network carries";
const MULTICAST: &str = "is a multicast address";

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, e, f, g, h),
        length,
    ))
}

/// Why `address` cannot be a VIP, a source or a backend; none if it can.
pub(super) fn unusable(address: IpAddr) -> Option<&'static str> {
    unusable_in(address.into()).map(|(_, why)| why)
}

/// An address of `net` that cannot be a VIP, and why; none if all of them can.
pub(super) fn unusable_in(net: IpNet) -> Option<(IpAddr, &'static str)> {
    UNUSABLE.iter().find_map(|(unusable, why)| {
        if unusable.contains(&net) {
            Some((net.addr(), *why))
        } else if net.contains(unusable) {
            Some((unusable.addr(), *why))
        } else {
            None
        }
    })
}

/// Whether `net` is IPv4 addresses written as IPv6.
pub(super) fn is_mapped(net: IpNet) -> bool {
    MAPPED.contains(&net)
}
