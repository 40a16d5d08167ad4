//! A decoded frame as people read it.

use std::fmt;

use super::{Decoded, IpPacket, Transport, quoted};

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|[.., d, e]| format!("{d:02x}:{e:02x}"));
        write!(f, "{from} > {to}")?;
        for (kind, vlan) in &self.tags {
            write!(f, " {kind:04x}:{vlan}")?;
        }
        for packet in &self.packets {
            write!(f, "\n      {packet}")?;
        }
        Ok(())
    }
}

impl fmt::Display for IpPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} > {} class {:02x} hops {} {} bytes",
            self.source,
            self.destination,
            self.traffic_class,
            self.hops,
            self.bytes.len()
        )?;
        if self.source.is_ipv4() && self.unfragmented {
            f.write_str(" DF")?;
        }
        if self.label != 0 {
            write!(f, " label {:05x}", self.label)?;
        }
        write!(f, ": {}", self.transport)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp {
                ports: [from, to],
                flags,
                mss,
            } => {
                write!(f, "tcp {from} > {to} {flags}")?;
                match mss {
                    Some(mss) => write!(f, " mss {mss}"),
                    None => Ok(()),
                }
            }
            Self::Udp {
                ports: [from, to],
                summed,
            } => {
                let sum = if *summed { "" } else { " without checksum" };
                write!(f, "udp {from} > {to}{sum}")
            }
            Self::Icmp {
                kind: [0 | 8 | 128 | 129, _],
                body,
                ..
            } => {
                write!(f, "echo, {} bytes", body.len())
            }
            Self::Icmp {
                kind: [kind, code],
                rest,
                body,
            } => {
                let (source, destination) = quoted(body);
                write!(
                    f,
                    "icmp {kind}/{code} {rest} about {source} > {destination}, {} bytes",
                    body.len()
                )
            }
            Self::Ip => f.write_str("ip in ip"),
            Self::Gue { port, variant } => write!(f, "gue {variant} from {port}"),
        }
    }
}
