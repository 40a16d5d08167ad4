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

/// Whether this is an IPv4 address.
#[inline(always)]
pub const fn is_v4(address: &Address) -> bool {
    const PREFIX: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    address[0] == 0 && address[1] & PREFIX == mapped(0)[1]
}

/// The four bytes of an IPv4 address in its mapped form, the way they stand in memory.
#[inline(always)]
pub const fn to_v4(address: &Address) -> u32 {
    let [_, _, _, _, a, b, c, d] = address[1].to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mapped_addresses_are_v4() {
        let family = |text: &str| is_v4(&from_ip(text.parse().unwrap()));
        assert!(family("192.0.2.1"));
        assert!(family("::ffff:192.0.2.1"));
        for other in [
            "::",
            "::192.0.2.1",
            "1::ffff:192.0.2.1",
            "::1:ffff:192.0.2.1",
        ] {
            assert!(!family(other), "{other}");
        }
    }

    #[test]
    fn an_address_keeps_its_four_bytes() {
        let v4 = u32::from_ne_bytes([192, 0, 2, 1]);
        assert_eq!(to_v4(&mapped(v4)), v4);
        assert_eq!(mapped(v4), from_ip("192.0.2.1".parse().unwrap()));
    }
}
