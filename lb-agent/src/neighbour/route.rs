//! The host's own route to an address.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
    time::Duration,
};

use futures::TryStreamExt as _;
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::route::{
        RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia,
    },
};
use tokio::time::timeout;

use super::links::capped;

#[cfg(test)]
mod tests;

/// Longest wait for the kernel's answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How this host would send to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Index of the interface.
    pub(super) ifindex: u32,
    /// The router, if the address is not on a segment of this host.
    pub(super) via: Option<IpAddr>,
    /// The address this host would send from.
    pub(super) from: Option<IpAddr>,
    /// The route's own limit of an IP packet, in bytes: configured, or learnt from routers (RFC 1191, RFC 8201).
    mtu: Option<u32>,
}

impl Route {
    /// Asks the kernel for the route to `ip`.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub(super) async fn ask(handle: &Handle, ip: IpAddr) -> Result<Self, String> {
        let question = match ip {
            IpAddr::V4(v4) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(v4, 32)
                .build(),
            IpAddr::V6(v6) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(v6, 128)
                .build(),
        };
        let mut routes = pin!(handle.route().get(question).execute());
        match timeout(PATIENCE, routes.try_next()).await {
            Ok(Ok(Some(route))) => Self::read(ip, &route),
            Ok(Err(error)) => Err(format!("no route to {ip} ({error})")),
            Ok(Ok(None)) | Err(_) => Err(format!("no route to {ip}")),
        }
    }

    /// The neighbour that packets to `ip` are given to.
    pub(super) fn neighbour(&self, ip: IpAddr) -> IpAddr {
        self.via.unwrap_or(ip)
    }

    /// Longest IP packet it takes over an interface with this MTU, in bytes.
    pub(super) fn mtu(&self, interface: u32) -> u16 {
        // A route may claim more than its interface can send.
        capped(self.mtu.map_or(interface, |own| own.min(interface)))
    }

    fn read(ip: IpAddr, answer: &RouteMessage) -> Result<Self, String> {
        if answer.header.kind == RouteType::Local {
            return Err(format!(
                "{ip} is this host's own address: a backend is another host"
            ));
        }
        let mut ifindex = None;
        let (mut via, mut from, mut mtu) = (None, None, None);
        for attribute in &answer.attributes {
            match attribute {
                RouteAttribute::Oif(index) => ifindex = Some(*index),
                RouteAttribute::Gateway(router) => via = address(router),
                RouteAttribute::Via(RouteVia::Inet6(v6)) => via = Some((*v6).into()),
                RouteAttribute::Via(RouteVia::Inet(v4)) => via = Some((*v4).into()),
                RouteAttribute::PrefSource(own) => from = address(own),
                RouteAttribute::Metrics(metrics) => {
                    mtu = metrics.iter().find_map(|metric| match metric {
                        RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        Ok(Self {
            ifindex: ifindex.ok_or_else(|| format!("the route to {ip} names no interface"))?,
            via: via.filter(|router| *router != ip),
            from,
            mtu,
        })
    }
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
