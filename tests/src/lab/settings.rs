//! Kernel settings of each node, and why.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::Layout;

/// Writes the settings of `node`, whose namespace the calling thread is in; interfaces made later take them over.
pub(super) fn write(layout: &Layout, node: &str) -> Result<()> {
    for (key, value) in of(layout, node) {
        let path = Path::new("/proc/sys/net").join(key);
        // Bridge filtering and the like are not in every kernel.
        if path.exists() {
            fs::write(&path, value)
                .with_context(|| format!("setting {} to {value}", path.display()))?;
        }
    }
    Ok(())
}

fn of(layout: &Layout, node: &str) -> Vec<(&'static str, &'static str)> {
    let mut settings = COMMON.to_vec();
    match node {
        "wire" => settings.extend(WIRE),
        "client" => settings.extend(CLIENT),
        "router" => settings.extend(FORWARDING),
        "lb" if layout.ip_forward => settings.extend(FORWARDING),
        "lb" => {}
        _ => settings.extend(BACKEND),
    }
    settings
}

const COMMON: &[(&str, &str)] = &[
    // Packets come one way and answers go another.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Addresses are good at once, without a second of duplicate detection.
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    // No router is here: soliciting one is noise in the counters.
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    // A pulled cable does not take the addresses with it.
    ("ipv6/conf/all/keep_addr_on_down", "1"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
];

const WIRE: &[(&str, &str)] = &[
    // A bridge, not a host.
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
];

const CLIENT: &[(&str, &str)] = &[
    // A minute of TIME_WAIT at a thousand connections a second.
    ("ipv4/ip_local_port_range", "1024 65535"),
];

const FORWARDING: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    // In one segment every forwarded packet would earn the client a redirect.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

const BACKEND: &[(&str, &str)] = &[
    // The service addresses are on lo: neither answer ARP for them nor ask in their name. IPv6 needs no such
    // setting: Linux answers neighbour solicitations only for addresses of the interface they came by.
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/conf/default/arp_ignore", "1"),
    ("ipv4/conf/all/arp_announce", "2"),
    ("ipv4/conf/default/arp_announce", "2"),
];
