//! Names and addresses that can mean one server.

use std::net::IpAddr;

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

/// Why `address` cannot be a VIP or a backend; none if it can.
pub(super) fn unusable(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("stands for every address");
    }
    if address.is_loopback() {
        return Some("is a loopback address, which no packet on a network carries");
    }
    if address.is_multicast() {
        return Some("is a multicast address");
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() => Some("is the broadcast address"),
        // The maps hold IPv4 addresses in this form, so it would be a second spelling of the same destination.
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Some("is an IPv4 address written as IPv6")
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            Some("is a link-local address, which means another server on every interface")
        }
        _ => None,
    }
}
