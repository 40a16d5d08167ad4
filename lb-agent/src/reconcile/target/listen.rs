//! What a service listens on, as the listener table holds it.

use std::collections::BTreeSet;

use lb_common::{ICMP, Listener, TCP, UDP, address};

use crate::{
    config::{Protocol, Service},
    listeners::WHOLE,
};

/// The listeners of a service with this number: its destinations, and each of its VIPs as such.
pub fn listeners(service: &Service, number: u32) -> Vec<Listener> {
    let mut listeners = Vec::new();
    let mut vips = BTreeSet::new();
    for listen in &service.listen {
        let prefix = match listen.addresses {
            ipnet::IpNet::V4(v4) => 96 + v4.prefix_len(),
            ipnet::IpNet::V6(v6) => v6.prefix_len(),
        };
        let address = address::from_ip(listen.addresses.network());
        let protocol = match listen.protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        };
        let base = Listener {
            address,
            prefix,
            service: number,
            ..Listener::default()
        };
        listeners.push(match listen.single() {
            Some(single) => Listener {
                port: single.port().to_be(),
                protocol,
                ..base
            },
            None => Listener {
                protocol: protocol | Listener::RANGE,
                low: *listen.ports.start(),
                high: *listen.ports.end(),
                ..base
            },
        });
        if vips.insert((address, prefix)) {
            let range = if prefix == WHOLE { 0 } else { Listener::RANGE };
            listeners.push(Listener {
                protocol: ICMP | range,
                ..base
            });
        }
    }
    listeners
}
