//! A listener, written `192.0.2.10:80/tcp` or `[2001:db8::10]:80/tcp`; also with a range of ports `8000-8099`, any port
//! `*`, or a prefix of VIPs `192.0.2.0/28`.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Serialize;

use super::network::{self, NetworkError};
use super::{ports, words};

/// Destinations a service answers for.
///
/// A packet that several listeners fit belongs to the one with the longest prefix; of two with the same network and
/// protocol no port is in both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// VIPs, without bits beyond the prefix.
    pub addresses: IpNet,
    /// Ports, at least one, never 0.
    pub ports: RangeInclusive<u16>,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// A transport protocol that is balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

/// Why a text is not a listener, and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenError {
    pub(super) problem: String,
    pub(super) mend: String,
}

/// How to write listeners.
const EXAMPLE: &str = r#""192.0.2.10:80/tcp" or "[2001:db8::10]:80/tcp""#;
/// How to write their ports.
const PORTS: &str = "write a port from 1 to 65535, a range such as 8000-8099, or * for any";
const ANY_PORT: RangeInclusive<u16> = 1..=u16::MAX;

impl Listen {
    /// The destination, if it is only one.
    pub fn single(&self) -> Option<SocketAddr> {
        let address = network::single(self.addresses)?;
        (self.ports.start() == self.ports.end())
            .then(|| SocketAddr::new(address, self.first_port()))
    }

    /// The lowest of its ports.
    pub fn first_port(&self) -> u16 {
        *self.ports.start()
    }

    /// Whether it has every port.
    pub fn is_any_port(&self) -> bool {
        self.ports == ANY_PORT
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    /// Reads addresses, ports and protocol. The protocol has no default: a DNS service that lost its UDP half to one
    /// would still look alive.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        let refuse = |problem: &str, mend: String| ListenError {
            problem: format!("{text:?} {problem}"),
            mend,
        };
        let Some((place, protocol)) = text.rsplit_once('/') else {
            return Err(match Place::split(text).and_then(Place::read) {
                Ok(_) => refuse(
                    "has no protocol",
                    format!(r#"write "{text}/tcp" or "{text}/udp""#),
                ),
                Err(_) => refuse("is not a listener", format!("write {EXAMPLE}")),
            });
        };
        let Some(protocol) = words::read(protocol) else {
            return Err(refuse(
                "has no known protocol",
                "end it in /tcp or /udp".to_owned(),
            ));
        };
        let read = Place::split(place).and_then(Place::read);
        let (addresses, ports) = read.map_err(|wrong| {
            let (problem, mend) = wrong.explain(protocol);
            refuse(&problem, mend)
        })?;
        Ok(Self {
            addresses,
            ports,
            protocol,
        })
    }
}

/// What stands before the protocol.
struct Place<'t> {
    addresses: &'t str,
    ports: &'t str,
    /// Whether brackets stand around the addresses.
    bracketed: bool,
}

/// What is wrong with it.
enum Wrong {
    Form,
    Brackets,
    NoPort(IpNet),
    Ports,
    PortZero,
    Order(RangeInclusive<u16>),
    Length { most: u8 },
    HostBits { right: String, address: String },
}

impl<'t> Place<'t> {
    fn split(text: &'t str) -> Result<Self, Wrong> {
        if let Some(rest) = text.strip_prefix('[') {
            let (addresses, after) = rest.split_once(']').ok_or(Wrong::Form)?;
            let ports = after.strip_prefix(':');
            let without_port = || match network::read(addresses) {
                Ok(net) if after.is_empty() => Wrong::NoPort(net),
                _ => Wrong::Form,
            };
            return Ok(Self {
                addresses,
                ports: ports.ok_or_else(without_port)?,
                bracketed: true,
            });
        }
        if let Ok(net) = network::read(text) {
            return Err(match net {
                IpNet::V4(_) => Wrong::NoPort(net),
                IpNet::V6(_) => Wrong::Brackets,
            });
        }
        let (addresses, ports) = text.rsplit_once(':').ok_or(Wrong::Form)?;
        Ok(Self {
            addresses,
            ports,
            bracketed: false,
        })
    }

    fn read(self) -> Result<(IpNet, RangeInclusive<u16>), Wrong> {
        let address = self.addresses.split('/').next().unwrap_or_default();
        if self.bracketed != address.parse::<Ipv6Addr>().is_ok() {
            return Err(if self.bracketed {
                Wrong::Form
            } else {
                Wrong::Brackets
            });
        }
        let net = network::read(self.addresses).map_err(|error| match error {
            NetworkError::Address => Wrong::Form,
            NetworkError::Length { most } => Wrong::Length { most },
            NetworkError::HostBits { network, address } => Wrong::HostBits {
                right: format!("{}:{}", in_brackets(network), self.ports),
                address: format!("{}:{}", in_brackets(address.into()), self.ports),
            },
        })?;
        if self.ports == "*" {
            return Ok((net, ANY_PORT));
        }
        let range = ports::read(self.ports).ok_or(Wrong::Ports)?;
        let (low, high) = (*range.start(), *range.end());
        if low == 0 || high == 0 {
            return Err(Wrong::PortZero);
        }
        if low > high {
            return Err(Wrong::Order(high..=low));
        }
        Ok((net, range))
    }
}

impl Wrong {
    /// The problem and the mend.
    fn explain(self, protocol: Protocol) -> (String, String) {
        match self {
            Self::Form => (
                "has no address and port".to_owned(),
                format!("write {EXAMPLE}"),
            ),
            Self::Brackets => (
                "has its IPv6 address not in brackets".to_owned(),
                format!(r#"write "[ADDRESS]:PORT/{protocol}""#),
            ),
            Self::NoPort(net) => (
                "has no port".to_owned(),
                format!(r#"write "{}:PORT/{protocol}""#, in_brackets(net)),
            ),
            Self::Ports => ("has no ports that can be read".to_owned(), PORTS.to_owned()),
            Self::PortZero => (
                "has port 0".to_owned(),
                "write the port that clients connect to, 1 to 65535".to_owned(),
            ),
            Self::Order(ports) => (
                "has its higher port first".to_owned(),
                format!("write {}", ports::Shown(&ports)),
            ),
            Self::Length { most } => (
                format!("has a prefix length outside 0..={most}"),
                "write the number of bits that its VIPs have in common".to_owned(),
            ),
            Self::HostBits { right, address } => (
                "has bits beyond its prefix".to_owned(),
                format!(
                    r#"write "{right}/{protocol}", or "{address}/{protocol}" for the one address"#
                ),
            ),
        }
    }
}

/// A network before its port.
fn in_brackets(net: IpNet) -> String {
    match net {
        IpNet::V4(_) => network::show(net),
        IpNet::V6(_) => format!("[{}]", network::show(net)),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = in_brackets(self.addresses);
        if self.is_any_port() {
            write!(f, "{addresses}:*/{}", self.protocol)
        } else {
            let ports = ports::Shown(&self.ports);
            write!(f, "{addresses}:{ports}/{}", self.protocol)
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.mend)
    }
}

impl std::error::Error for ListenError {}
