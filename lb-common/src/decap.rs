//! The contract of the program that backends run to take packets out of tunnels: settings and counters.
//!
//! It has nothing to do with the balancer's maps and is not part of [`crate::ABI_VERSION`].

use core::net::{IpAddr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    Address,
    address::{from_ip, to_ip},
};

/// Name of the XDP program.
pub const PROGRAM: &str = "lb_decap";
/// Name of the map of [`Settings`], one entry. Written before the program is attached, and never after.
pub const SETTINGS: &str = "DECAP_SETTINGS";
/// Name of the per-CPU counters by [`Reason`] ([`crate::counters::PacketsBytes`]; bytes of the frame as it came).
pub const COUNTERS: &str = "DECAP_COUNTERS";
/// Entries of [`COUNTERS`].
pub const COUNTERS_ENTRIES: u32 = 16;
/// Most prefixes of outer source addresses.
pub const MAX_SOURCES: usize = 16;
/// UDP port of generic UDP encapsulation (IANA's service name `gue`).
pub const GUE_PORT: u16 = 6080;

/// What the program is to take out of tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Settings {
    /// UDP port of generic UDP encapsulation, in network order the way it stands in memory.
    pub port: u16,
    /// Zero.
    pub reserved: u16,
    /// 0: every source may send. 1: only those in `sources`.
    pub restricted: u32,
    /// Outer source addresses that may send.
    pub sources: [Prefix; MAX_SOURCES],
}

/// Addresses that begin with the same bits. All zeros: none.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Prefix {
    /// IP version: 4 or 6.
    pub version: u64,
    /// Their bits; 0 where `mask` is.
    pub address: Address,
    /// Which bits they share; an IPv4 prefix has the 96 of the mapped form, too.
    pub mask: Address,
}

impl Settings {
    /// Takes packets from the first [`MAX_SOURCES`] of `sources`, or from everybody if there are none. `port` is in the
    /// host's order.
    pub fn new(port: u16, sources: &[Prefix]) -> Self {
        let mut settings = Self {
            port: port.to_be(),
            reserved: 0,
            restricted: u32::from(!sources.is_empty()),
            sources: [Prefix::default(); MAX_SOURCES],
        };
        for (to, from) in settings.sources.iter_mut().zip(sources) {
            *to = *from;
        }
        settings
    }

    /// As the words of the map's value.
    pub fn to_words(self) -> [u64; WORDS] {
        zerocopy::transmute!(self)
    }

    /// From the words of the map's value.
    pub fn from_words(words: [u64; WORDS]) -> Self {
        zerocopy::transmute!(words)
    }

    /// The prefixes that may send; none if everybody may.
    pub fn prefixes(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        self.sources.iter().filter_map(Prefix::network)
    }
}

/// Words of [`Settings`].
pub const WORDS: usize = size_of::<Settings>() / size_of::<u64>();

impl Prefix {
    /// The addresses whose first `length` bits are those of `address`.
    pub const fn new(address: IpAddr, length: u8) -> Self {
        let (version, length) = match address {
            IpAddr::V4(_) => (4, 96 + length as u32),
            IpAddr::V6(_) => (6, length as u32),
        };
        // A shift by all 128 bits is none to Rust.
        let host = match u128::MAX.checked_shr(length) {
            Some(host) => host,
            None => 0,
        };
        let mask = from_ip(IpAddr::V6(Ipv6Addr::from_bits(!host)));
        let address = from_ip(address);
        Self {
            version,
            address: [address[0] & mask[0], address[1] & mask[1]],
            mask,
        }
    }

    /// First address and length, `None` for the prefix that contains nothing.
    pub fn network(&self) -> Option<(IpAddr, u8)> {
        let ones = (self.mask[0].count_ones() + self.mask[1].count_ones()) as u8;
        match (self.version, to_ip(self.address)) {
            (4, ip) => Some((ip, ones.saturating_sub(96))),
            (6, IpAddr::V6(ip)) => Some((ip.into(), ones)),
            // A prefix of the mapped form itself.
            (6, IpAddr::V4(ip)) => Some((ip.to_ipv6_mapped().into(), ones)),
            _ => None,
        }
    }

    /// The bits in which an address of IP `version` is another one: 0 if it is one of these.
    #[inline(always)]
    pub const fn differs(&self, version: u64, address: &Address) -> u64 {
        let high = (address[0] ^ self.address[0]) & self.mask[0];
        let low = (address[1] ^ self.address[1]) & self.mask[1];
        (version ^ self.version) | high | low
    }
}

macro_rules! reasons {
    ($($(#[doc = $help:literal])+ $variant:ident = $label:literal,)+) => {
        /// What became of a packet; the index of its counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Reason { $($(#[doc = $help])+ $variant,)+ }

        impl Reason {
            /// Every reason in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name, as it is shown.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What it means, in a sentence.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($help),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// Not from a tunnel, or from one that the kernel must read: left as it came.
    Passed = "passed",
    /// IPv4 taken out of IPv4 (protocol 4).
    Ipv4InIpv4 = "ipv4_in_ipv4",
    /// IPv6 taken out of IPv4 (protocol 41).
    Ipv6InIpv4 = "ipv6_in_ipv4",
    /// IPv4 taken out of IPv6 (protocol 4).
    Ipv4InIpv6 = "ipv4_in_ipv6",
    /// IPv6 taken out of IPv6 (protocol 41).
    Ipv6InIpv6 = "ipv6_in_ipv6",
    /// Taken out of generic UDP encapsulation with a header (variant 0).
    GueHeader = "gue_header",
    /// Taken out of generic UDP encapsulation without one (variant 1).
    Gue = "gue",
    /// Dropped: the outer source address is in no prefix that may send.
    Refused = "refused",
    /// Dropped: lengths, versions or the outer header's checksum contradict each other.
    Malformed = "malformed",
    /// Dropped: the tunnel's way was congested and the packet's sender does not know ECN (RFC 6040).
    Congested = "congested",
}

impl Reason {
    /// Whether the packet is discarded.
    pub const fn drops(self) -> bool {
        matches!(self, Self::Refused | Self::Malformed | Self::Congested)
    }
}

const _: () = assert!(Reason::ALL.len() <= COUNTERS_ENTRIES as usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_contains_what_begins_like_it() {
        for (prefix, length, inside, outside) in [
            ("10.1.2.0", 24, "10.1.2.255", "10.1.3.0"),
            ("10.1.2.3", 32, "10.1.2.3", "10.1.2.2"),
            ("10.1.2.3", 8, "10.255.0.1", "11.1.2.3"),
            ("0.0.0.0", 0, "255.255.255.255", "2001:db8::1"),
            ("::", 0, "2001:db8::1", "10.0.0.1"),
            (
                "2001:db8::",
                65,
                "2001:db8::7fff:0:0:1",
                "2001:db8::8000:0:0:0",
            ),
            ("2001:db8::9", 128, "2001:db8::9", "2001:db8::8"),
        ] {
            let prefix = Prefix::new(ip(prefix), length);
            let contains = |ip: IpAddr| {
                let version = if ip.is_ipv4() { 4 } else { 6 };
                prefix.differs(version, &from_ip(ip)) == 0
            };
            assert!(contains(ip(inside)), "{inside}");
            assert!(!contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn a_prefix_is_told_as_it_was_given() {
        for (address, length) in [
            ("10.1.2.0", 24),
            ("0.0.0.0", 0),
            ("10.1.2.3", 32),
            ("::", 0),
            ("2001:db8::", 65),
            ("2001:db8::9", 128),
            ("::ffff:10.0.0.0", 104),
        ] {
            let sources = [Prefix::new(ip(address), length)];
            let settings = Settings::new(GUE_PORT, &sources);
            assert!(settings.prefixes().eq([(ip(address), length)]), "{address}");
        }
        assert_eq!(
            Prefix::new([10, 1, 2, 3].into(), 8),
            Prefix::new([10, 0, 0, 0].into(), 8)
        );
    }

    #[test]
    fn an_empty_prefix_contains_nothing() {
        for (version, address) in [(4, "0.0.0.0"), (6, "::")] {
            assert_ne!(Prefix::default().differs(version, &from_ip(ip(address))), 0);
        }
    }

    #[test]
    fn settings_hold_so_many_sources_and_no_more() {
        let prefix = |last: u8| Prefix::new(IpAddr::from([10, 0, 0, last]), 32);
        let sources: [_; MAX_SOURCES + 1] = core::array::from_fn(|last| prefix(last as u8));
        let settings = Settings::new(GUE_PORT, &sources);
        assert_eq!(settings.restricted, 1);
        assert_eq!(settings.sources[15], prefix(15));
        assert_eq!(settings.port.to_ne_bytes(), [0x17, 0xc0]);
        assert_eq!(Settings::from_words(settings.to_words()), settings);
        let settings = Settings::new(GUE_PORT, &sources[..2]);
        assert_eq!(settings.sources[1], prefix(1));
        assert_eq!(settings.sources[2], Prefix::default());
        assert_eq!(Settings::new(GUE_PORT, &[]).restricted, 0);
    }

    #[test]
    fn reasons_are_numbered_from_0_and_say_what_they_mean() {
        for (number, reason) in (0..).zip(Reason::ALL) {
            assert_eq!(*reason as u32, number);
            assert!(reason.help().ends_with('.'), "{}", reason.help());
            assert_eq!(
                reason.help().starts_with("Dropped"),
                reason.drops(),
                "{reason:?}"
            );
        }
    }
}
