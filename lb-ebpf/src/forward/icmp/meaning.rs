//! What ICMP's errors are in ICMPv6, and the reverse (RFC 7915 sections 4.2 and 5.2).

use crate::header::{
    icmp::{v4, v6},
    ipv4, ipv6,
};

/// What the header of an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The last four bytes, in the host's order: an MTU, a pointer, or nothing.
    pub rest: u32,
}

/// What IPv6 adds to the length of a packet without options and fragment header.
const LONGER: u32 = (ipv6::LEN - ipv4::LEN) as u32;
/// What every way takes (RFC 8200 section 5).
const LEAST: u32 = 1280;

/// An error of ICMP about a packet of `len` bytes as one of ICMPv6, for a sender whose packets come by a way that takes
/// `mtu` bytes. `None` for those that the RFC has dropped.
#[inline(always)]
pub const fn into_v6(said: Meaning, len: u16, mtu: u16) -> Option<Meaning> {
    let (kind, code, rest) = match said.kind {
        v4::UNREACHABLE => match said.code {
            // Network, host, source route, isolation, type of service.
            0 | 1 | 5..=8 | 11 | 12 => (v6::UNREACHABLE, v6::NO_ROUTE, 0),
            v4::PROTOCOL_UNREACHABLE => (
                v6::PARAMETER_PROBLEM,
                v6::UNKNOWN_NEXT_HEADER,
                NEXT_HEADER as u32,
            ),
            v4::PORT_UNREACHABLE => (v6::UNREACHABLE, v6::PORT_UNREACHABLE, 0),
            v4::FRAGMENTATION_NEEDED => (v6::TOO_BIG, 0, mtu_v6(said.rest, len, mtu)),
            // By an administrator: network, host, communication; precedence.
            9 | v4::HOST_PROHIBITED | 13 | 15 => (v6::UNREACHABLE, v6::PROHIBITED, 0),
            _ => return None,
        },
        v4::TIME_EXCEEDED => (v6::TIME_EXCEEDED, said.code, 0),
        // The pointer tells; a bad length.
        v4::PARAMETER_PROBLEM if said.code == 0 || said.code == 2 => {
            match pointer_v6((said.rest >> 24) as u8) {
                NOWHERE => return None,
                pointer => (v6::PARAMETER_PROBLEM, 0, pointer as u32),
            }
        }
        _ => return None,
    };
    Some(Meaning { kind, code, rest })
}

/// An error of ICMPv6 about a packet whose headers are longer by `longer` bytes than IPv4's as one of ICMP, for a sender
/// whose packets come by a way that takes `mtu` bytes. `None` for those that the RFC has dropped.
#[inline(always)]
pub const fn into_v4(said: Meaning, longer: u32, mtu: u16) -> Option<Meaning> {
    let (kind, code, rest) = match said.kind {
        v6::UNREACHABLE => match said.code {
            // No route, beyond the scope, address.
            v6::NO_ROUTE | 2 | 3 => (v4::UNREACHABLE, v4::HOST_UNREACHABLE, 0),
            v6::PROHIBITED => (v4::UNREACHABLE, v4::HOST_PROHIBITED, 0),
            v6::PORT_UNREACHABLE => (v4::UNREACHABLE, v4::PORT_UNREACHABLE, 0),
            _ => return None,
        },
        v6::TOO_BIG => {
            let fits = least(said.rest.saturating_sub(longer), mtu as u32);
            (v4::UNREACHABLE, v4::FRAGMENTATION_NEEDED, fits)
        }
        v6::TIME_EXCEEDED => (v4::TIME_EXCEEDED, said.code, 0),
        v6::PARAMETER_PROBLEM => match said.code {
            0 => match pointer_v4(said.rest) {
                NOWHERE => return None,
                pointer => (v4::PARAMETER_PROBLEM, 0, (pointer as u32) << 24),
            },
            v6::UNKNOWN_NEXT_HEADER => (v4::UNREACHABLE, v4::PROTOCOL_UNREACHABLE, 0),
            _ => return None,
        },
        _ => return None,
    };
    Some(Meaning { kind, code, rest })
}

/// The MTU of a packet too big: what IPv6 adds is added, and no less is told than what every way takes.
#[inline(always)]
const fn mtu_v6(said: u32, len: u16, mtu: u16) -> u32 {
    let said = said & 0xffff;
    let said = if said == 0 { plateau(len) } else { said };
    let fits = least(said + LONGER, mtu as u32);
    if fits < LEAST { LEAST } else { fits }
}

/// What takes a packet of `len` bytes no longer, where the router does not say what it takes: "the greatest plateau value
/// that is less than the returned Total Length field, but that is larger than or equal to 1280" (RFC 7915 section 4.2),
/// of those in RFC 1191 section 7. 0 where there is none.
#[inline(always)]
const fn plateau(len: u16) -> u32 {
    match len {
        0..=1492 => 0,
        1493..=2002 => 1492,
        2003..=4352 => 2002,
        4353..=8166 => 4352,
        8167..=17_914 => 8166,
        17_915..=32_000 => 17_914,
        _ => 32_000,
    }
}

#[inline(always)]
const fn least(one: u32, other: u32) -> u32 {
    if one < other { one } else { other }
}

/// Where IPv6's header has its next header.
const NEXT_HEADER: u8 = 6;
/// The other header has no such field.
const NOWHERE: u8 = 0xff;

/// Where IPv6 has the field of the IPv4 header at `pointer` (RFC 7915, figure 3).
#[inline(always)]
const fn pointer_v6(pointer: u8) -> u8 {
    match pointer {
        // Version, type of service.
        0 | 1 => pointer,
        // Length.
        2 | 3 => 4,
        // Time to live.
        8 => 7,
        // Protocol.
        9 => NEXT_HEADER,
        // Source, destination.
        12..=15 => 8,
        16..=19 => 24,
        _ => NOWHERE,
    }
}

/// Where IPv4 has the field of the IPv6 header at `pointer` (RFC 7915, figure 6).
#[inline(always)]
const fn pointer_v4(pointer: u32) -> u8 {
    match pointer {
        // Version, traffic class.
        0 => 0,
        1 => 1,
        // Payload length.
        4 | 5 => 2,
        // Next header.
        6 => 9,
        // Hop limit.
        7 => 8,
        // Source, destination.
        8..=23 => 12,
        24..=39 => 16,
        _ => NOWHERE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: u8, code: u8, rest: u32) -> Meaning {
        Meaning { kind, code, rest }
    }

    /// Every code of these types: what RFC 7915 section 4.2 says; the rest is dropped.
    #[test]
    fn the_errors_of_icmp() {
        let unreachable = |code| match code {
            0 | 1 | 5 | 6 | 7 | 8 | 11 | 12 => Some((1, 0, 0)),
            2 => Some((4, 1, 6)),
            3 => Some((1, 4, 0)),
            4 => Some((2, 0, 1420)),
            9 | 10 | 13 | 15 => Some((1, 1, 0)),
            _ => None,
        };
        for code in 0..=255 {
            for kind in 0..=255 {
                let expected = match (kind, code) {
                    (3, _) => unreachable(code),
                    (11, _) => Some((3, code, 0)),
                    (12, 0 | 2) => Some((4, 0, 0)),
                    _ => None,
                };
                let expected = expected.map(|(kind, code, rest)| said(kind, code, rest));
                let rest = if (kind, code) == (3, 4) { 1400 } else { 0 };
                assert_eq!(into_v6(said(kind, code, rest), 1500, 1500), expected);
            }
        }
    }

    /// The same of section 5.2.
    #[test]
    fn the_errors_of_icmpv6() {
        for code in 0..=255 {
            for kind in 0..=255 {
                let expected = match (kind, code) {
                    (1, 0 | 2 | 3) => Some((3, 1, 0)),
                    (1, 1) => Some((3, 10, 0)),
                    (1, 4) => Some((3, 3, 0)),
                    (2, _) => Some((3, 4, 1380)),
                    (3, _) => Some((11, code, 0)),
                    (4, 0) => Some((12, 0, 0)),
                    (4, 1) => Some((3, 2, 0)),
                    _ => None,
                };
                let expected = expected.map(|(kind, code, rest)| said(kind, code, rest));
                let rest = if kind == 2 { 1400 } else { 0 };
                assert_eq!(into_v4(said(kind, code, rest), 20, 1500), expected);
            }
        }
    }

    #[test]
    fn pointers_follow_their_fields() {
        // Figure 3.
        let figure = [
            (0..=0, 0),
            (1..=1, 1),
            (2..=3, 4),
            (8..=8, 7),
            (9..=9, 6),
            (12..=15, 8),
            (16..=19, 24),
        ];
        for pointer in 0..=255 {
            let row = figure.iter().find(|(old, _)| old.contains(&pointer));
            let expected = row.map(|(_, new)| said(4, 0, *new));
            // Nothing but the pointer is looked at.
            let rest = pointer << 24 | 0x1234;
            assert_eq!(
                into_v6(said(12, 0, rest), 1500, 1500),
                expected,
                "{pointer}"
            );
        }
        // Figure 6.
        let figure = [
            (0..=0, 0),
            (1..=1, 1),
            (4..=5, 2),
            (6..=6, 9),
            (7..=7, 8),
            (8..=23, 12),
            (24..=39, 16),
        ];
        for pointer in (0..=300).chain([u32::MAX]) {
            let row = figure.iter().find(|(old, _)| old.contains(&pointer));
            let expected = row.map(|(_, new)| said(12, 0, new << 24));
            assert_eq!(
                into_v4(said(4, 0, pointer), 20, 1500),
                expected,
                "{pointer}"
            );
        }
    }

    #[test]
    fn an_mtu_is_that_of_the_other_header() {
        let v6 = |told, len, mtu| into_v6(said(3, 4, told), len, mtu).unwrap().rest;
        assert_eq!(v6(1400, 1480, 1500), 1420);
        assert_eq!(v6(0xffff_0000 | 1400, 1480, 1500), 1420, "unused bytes");
        assert_eq!(v6(9000, 9000, 1500), 1500, "the sender's own way");
        assert_eq!(v6(1260, 1480, 1500), 1280);
        assert_eq!(v6(576, 1480, 1500), 1280, "never less");
        let v4 = |told, longer, mtu| into_v4(said(2, 0, told), longer, mtu).unwrap().rest;
        assert_eq!(v4(1400, 20, 1500), 1380);
        assert_eq!(v4(1400, 28, 1500), 1372, "with a fragment header");
        assert_eq!(v4(9000, 20, 1500), 1500, "the sender's own way");
        assert_eq!(v4(0xffff_ffff, 20, 1500), 1500);
        assert_eq!(v4(7, 20, 1500), 0);
    }

    /// RFC 1191 section 7: a router that does not say what it takes.
    #[test]
    fn without_an_mtu_it_is_the_next_plateau() {
        const PLATEAUS: [u32; 7] = [65_535, 32_000, 17_914, 8166, 4352, 2002, 1492];
        for len in 0..=u16::MAX {
            let next = PLATEAUS.iter().find(|plateau| **plateau < u32::from(len));
            let expected = next.map_or(1280, |plateau| plateau + 20);
            let told = into_v6(said(3, 4, 0), len, u16::MAX).unwrap().rest;
            assert_eq!(told, expected, "{len}");
        }
    }
}
