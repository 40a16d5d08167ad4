//! Whether a frame that leaves is one that its receiver accepts: a library must understand it, and every checksum in
//! it must add up. The sums are made here, from nothing but the bytes.

use etherparse::{EtherType, LinkSlice, NetSlice, SlicedPacket};

const ICMP: u8 = 1;
const IPV4_INSIDE: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_INSIDE: u8 = 41;
const ICMPV6: u8 = 58;

/// Panics where the frame is not sound.
pub fn assert_sound(what: &str, frame: &[u8]) {
    let sliced = SlicedPacket::from_ethernet(frame)
        .unwrap_or_else(|error| panic!("{what}: {error}\n{frame:02x?}"));
    assert!(
        matches!(sliced.link, Some(LinkSlice::Ethernet2(_))),
        "{what}: no Ethernet header"
    );
    let payload = sliced
        .ether_payload()
        .unwrap_or_else(|| panic!("{what}: no payload"));
    let version = match payload.ether_type {
        EtherType::IPV4 => 4,
        EtherType::IPV6 => 6,
        other => panic!("{what}: EtherType {other:?}"),
    };
    assert_eq!(payload.payload[0] >> 4, version, "{what}: IP version");
    packet(what, payload.payload);
}

/// Looks at an IP packet, which may be followed by other bytes.
fn packet(what: &str, bytes: &[u8]) {
    let sliced = SlicedPacket::from_ip(bytes)
        .unwrap_or_else(|error| panic!("{what}: {error}\n{bytes:02x?}"));
    match sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            assert_eq!(sum(&[header.slice()]), 0xffff, "{what}: IPv4 checksum");
            let payload = ip.payload();
            let addresses = [header.source(), header.destination()].concat();
            if header.fragments_offset().value() == 0 {
                let is_whole = !header.more_fragments();
                transport(
                    what,
                    payload.ip_number.0,
                    &addresses,
                    payload.payload,
                    is_whole,
                );
            }
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let payload = ip.payload();
            let addresses = [header.source(), header.destination()].concat();
            if let Some(protocol) = behind_extensions(bytes) {
                let is_whole = !payload.fragmented;
                transport(what, protocol, &addresses, payload.payload, is_whole);
            }
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// The protocol behind the extension headers of an IPv6 packet; none of a later fragment.
fn behind_extensions(bytes: &[u8]) -> Option<u8> {
    let (mut protocol, mut at) = (bytes[6], 40);
    while matches!(protocol, 0 | 43 | 44 | 60) {
        if protocol == 44 && u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]) >> 3 != 0 {
            return None;
        }
        let len = if protocol == 44 {
            8
        } else {
            8 + usize::from(bytes[at + 1]) * 8
        };
        (protocol, at) = (bytes[at], at + len);
    }
    Some(protocol)
}

/// Looks at what an IP packet carries. Of a first fragment the checksum covers bytes that are not there.
fn transport(what: &str, protocol: u8, addresses: &[u8], bytes: &[u8], is_whole: bool) {
    match protocol {
        IPV4_INSIDE | IPV6_INSIDE => return packet(what, bytes),
        _ if !is_whole => return,
        UDP if bytes[6..8] == [0, 0] => {
            assert_eq!(addresses.len(), 8, "{what}: no UDP checksum in IPv6");
            return;
        }
        ICMP | TCP | UDP | ICMPV6 => {}
        other => panic!("{what}: protocol {other}"),
    }
    let len = u32::try_from(bytes.len()).expect("a packet");
    let pseudo = [addresses, &[0, protocol], &len.to_be_bytes()].concat();
    let pseudo: &[u8] = if protocol == ICMP { &[] } else { &pseudo };
    assert_eq!(
        sum(&[pseudo, bytes]),
        0xffff,
        "{what}: checksum of protocol {protocol}"
    );
    if is_error(protocol, bytes[0]) {
        quote(what, &bytes[8..]);
    }
}

fn is_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        ICMP => matches!(kind, 3 | 11 | 12),
        ICMPV6 => kind < 128,
        _ => false,
    }
}

/// Looks at the packet that an ICMP error quotes: its own header's checksum must add up, and that of its transport
/// header where all of it is quoted.
fn quote(what: &str, bytes: &[u8]) {
    let (header, total) = if bytes[0] >> 4 == 4 {
        let header = usize::from(bytes[0] & 15) * 4;
        assert_eq!(
            sum(&[&bytes[..header]]),
            0xffff,
            "{what}: quoted IPv4 checksum"
        );
        (
            header,
            usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
        )
    } else {
        (
            40,
            40 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])),
        )
    };
    assert!(header <= bytes.len(), "{what}: a quoted header in part");
    if total <= bytes.len() {
        packet(what, bytes);
    }
}

/// The one's complement sum of 16-bit words (RFC 1071); each part but the last has whole words.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
