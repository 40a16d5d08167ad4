//! A listener, written `192.0.2.10:80/tcp` or `[2001:db8::10]:80/tcp`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::Serialize;

use super::words;

/// A destination a service answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listen {
    /// VIP and port.
    pub address: SocketAddr,
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

impl FromStr for Listen {
    type Err = ListenError;

    /// Reads address, port and protocol. The protocol has no default: a DNS service that lost its UDP half to one would
    /// still look alive.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        let refuse = |problem: &str, mend: String| {
            let problem = format!("{text:?} {problem}");
            Err(ListenError { problem, mend })
        };
        let Some((place, protocol)) = text.rsplit_once('/') else {
            return match text.parse::<SocketAddr>() {
                Ok(_) => refuse(
                    "has no protocol",
                    format!(r#"write "{text}/tcp" or "{text}/udp""#),
                ),
                Err(_) => refuse("is not a listener", format!("write {EXAMPLE}")),
            };
        };
        let Some(protocol) = words::read(protocol) else {
            return refuse("has no known protocol", "end it in /tcp or /udp".to_owned());
        };
        match (place.parse(), place.parse()) {
            (Ok(address), _) => Ok(Self { address, protocol }),
            (_, Ok(IpAddr::V4(v4))) => {
                refuse("has no port", format!(r#"write "{v4}:PORT/{protocol}""#))
            }
            (_, Ok(IpAddr::V6(_))) => refuse(
                "has its IPv6 address not in brackets",
                format!(r#"write "[ADDRESS]:PORT/{protocol}""#),
            ),
            _ => refuse("has no address and port", format!("write {EXAMPLE}")),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.protocol)
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
