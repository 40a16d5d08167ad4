//! How packets reach a backend: the part of its record that says so.

use std::net::IpAddr;

use anyhow::Result;
use lb_common::{Backend, address, backend::NO_SOURCE};

use super::{Inputs, numbers::Numbers};
use crate::{
    config::{self, Forward, Mss, NatSource, TunnelSource},
    neighbour::Hop,
};

/// [`Backend::forward`] of a service's backends.
pub fn kind(service: &config::Service) -> u8 {
    match (service.forward, &service.nat_source) {
        (Forward::Dsr, _) => Backend::DSR,
        (Forward::Nat, NatSource::Client) => Backend::NAT_CLIENT,
        (Forward::Nat, _) => Backend::NAT,
        (Forward::Ipip, _) => Backend::IPIP,
        (Forward::Gue, _) if service.gue_variant == 0 => Backend::GUE_HEADER,
        (Forward::Gue, _) => Backend::GUE,
    }
}

/// [`Backend::port`], in network order.
pub fn port(service: &config::Service, backend: &config::Backend) -> u16 {
    match service.forward {
        Forward::Gue => service.gue_port.to_be(),
        _ => backend.port.unwrap_or(0).to_be(),
    }
}

/// The next hop of a backend's address, or why there is none.
pub fn hop(inputs: &Inputs<'_>, address: IpAddr) -> Result<Hop, String> {
    match inputs.hops.get(&address) {
        Some(hop) => hop.clone(),
        None => Err("not resolved yet".into()),
    }
}

/// Why a backend that has a next hop cannot be reached by it in the service's way, if so.
pub fn unfit(inputs: &Inputs<'_>, service: &config::Service, hop: &Hop) -> Option<String> {
    match (service.forward, hop.via) {
        // A router would send the VIP back here, again and again.
        (Forward::Dsr, Some(router)) => Some(format!(
            "it is behind the router {router}: direct return needs it on a segment of this host; `forward = \"nat\"` or a tunnel does not"
        )),
        (Forward::Nat, _)
            if !inputs
                .config
                .interfaces
                .iter()
                .any(|i| i.name == hop.device) =>
        {
            Some(format!(
                "its answers come by {}, where lb is not: add an [[interface]] with that name",
                hop.device
            ))
        }
        _ => None,
    }
}

/// [`Backend::ends`], or why there are none.
///
/// # Errors
/// Where there is no room for one more source address.
pub fn ends(
    service: &config::Service,
    ip: IpAddr,
    hop: &Hop,
    numbers: &mut Numbers<'_>,
) -> Result<Result<[u64; 2], String>> {
    let same_family = |other: &IpAddr| other.is_ipv4() == ip.is_ipv4();
    let own = hop.from.filter(same_family).ok_or_else(|| {
        format!(
            "this host has no address of its family on {}",
            hop.interface
        )
    });
    match service.forward {
        Forward::Dsr => Ok(Ok([0; 2])),
        Forward::Ipip | Forward::Gue => Ok(match &service.tunnel_source {
            TunnelSource::Auto => own.map(address::from_ip),
            TunnelSource::List(list) => list
                .iter()
                .copied()
                .find(same_family)
                .map(address::from_ip)
                .ok_or_else(|| "`tunnel_source` has no address of its family".into()),
        }),
        Forward::Nat => {
            let sources: Vec<IpAddr> = match &service.nat_source {
                NatSource::Client => return Ok(Ok(Backend::from_sources([NO_SOURCE; 8]))),
                NatSource::List(list) => list.iter().copied().filter(same_family).collect(),
                NatSource::Auto => match own {
                    Ok(own) => vec![own],
                    Err(why) => return Ok(Err(why)),
                },
            };
            let mut taken = Vec::with_capacity(sources.len());
            for source in sources {
                taken.push(numbers.source(source)?);
            }
            // All eight places, so that any draw finds one.
            let mut all = [NO_SOURCE; 8];
            for (place, number) in all.iter_mut().zip(taken.iter().cycle()) {
                *place = *number;
            }
            Ok(Ok(Backend::from_sources(all)))
        }
    }
}

/// The record with the next hop; without one, the last that was known, not reachable.
pub fn with_hop(record: Backend, hop: Option<&Hop>) -> Backend {
    let mut record = Backend { flags: 0, ..record };
    if let Some(hop) = hop {
        record.ifindex = hop.ifindex;
        record.ethernet = Backend::ethernet(hop.mac, hop.source);
        record.tags = hop.tags;
        record.flags = Backend::REACHABLE;
    }
    record
}

/// The largest TCP segment that the service's SYNs may announce, 0 for any.
pub fn mss(service: &config::Service, mtus: impl Iterator<Item = u16>) -> u16 {
    match service.mss {
        None => 0,
        Some(Mss::Bytes(bytes)) => bytes,
        Some(Mss::Auto) => {
            // Of a tunnel the outer header is counted below; what is translated may become an IPv6 packet.
            let is_v6 = |listen: &config::Listen| listen.addresses.addr().is_ipv6();
            let becomes_v6 = service.forward == Forward::Nat
                && service.backends.iter().any(|b| b.address.is_ipv6());
            let headers = if becomes_v6 || service.listen.iter().any(is_v6) {
                60
            } else {
                40
            };
            let tunnel = match service.forward {
                Forward::Dsr | Forward::Nat => 0,
                Forward::Ipip => 40,
                Forward::Gue => 52,
            };
            let least = mtus.min().unwrap_or(1500);
            least.saturating_sub(headers + tunnel).max(536)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_largest_segment_fits_whatever_the_packet_becomes() {
        for (listen, forward, backend, most) in [
            ("192.0.2.10:80/tcp", "nat", "10.0.1.11", 1460),
            ("192.0.2.10:80/tcp", "nat", "2001:db8:1::11", 1440),
            ("[2001:db8::10]:80/tcp", "nat", "10.0.1.11", 1440),
            ("192.0.2.10:80/tcp", "ipip", "2001:db8:1::11", 1420),
            ("[2001:db8::10]:80/tcp", "gue", "2001:db8:1::11", 1388),
        ] {
            let text = format!(
                "[[interface]]\nname = \"eth0\"\n[[service]]\nname = \"web\"\nlisten = [\"{listen}\"]\n\
                 forward = \"{forward}\"\nmss = \"auto\"\nbackend = [{{ name = \"a\", address = \"{backend}\" }}]\n"
            );
            let config = Config::parse(&text, "lb.toml").unwrap();
            let found = mss(&config.services[0], [9000, 1500].into_iter());
            assert_eq!(found, most, "{text}");
        }
    }
}
