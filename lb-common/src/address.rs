//! Addresses as the packet path compares them.

use core::net::{IpAddr, Ipv6Addr};

/// Sixteen bytes in network order, as two words the way they stand in memory; IPv4 in its IPv4-mapped form
/// (RFC 4291 section 2.5.5.2).
pub type Address = [u64; 2];

/// The address whose four bytes, the way they stand in memory, are `v4`.
#[inline(always)]
pub const fn mapped(v4: u32) -> Address {
    let [a, b, c, d] = v4.to_ne_bytes();
    [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])]
}

/// From the standard library's form.
pub const fn from_ip(ip: IpAddr) -> Address {
    let bytes = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

/// To the standard library's form.
pub const fn to_ip(address: Address) -> IpAddr {
    let [a, b, c, d, e, f, g, h] = address[0].to_ne_bytes();
    let [i, j, k, l, m, n, o, p] = address[1].to_ne_bytes();
    IpAddr::V6(Ipv6Addr::from_octets([
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p,
    ]))
    .to_canonical()
}
