//! A service's `allow` and `deny`.

use std::collections::HashMap;

use ipnet::IpNet;
use lb_common::admission::MAX_BOUNDS;
use lb_common::maps::MAX_SERVICES;

use super::super::network::{self, NetworkError};
use super::super::raw::Section;
use super::super::value::Item;
use super::super::{address, network::show};

/// Prefixes of all services together. A prefix takes two bounds, a service one more, and what is in force lies beside
/// what follows it.
pub(super) const MAX_PREFIXES: usize = ((MAX_BOUNDS / 2 - MAX_SERVICES) / 2) as usize;

/// Reads both lists and adds what stands there to `prefixes`.
pub(super) fn read<'t>(
    section: &mut Section<'t>,
    prefixes: &mut Vec<Item<'t>>,
) -> (Vec<IpNet>, Vec<IpNet>) {
    let mut taken = HashMap::new();
    let mut list = |key| {
        let item = section.get(key);
        let items = item.map(|item| item.list(&format!(r#"{key} = ["198.51.100.0/24"]"#)));
        let mut list = Vec::new();
        for item in items.unwrap_or_default() {
            let Some(net) = prefix(&item) else {
                continue;
            };
            if let Some((other, line)) = taken.insert(net, (key, item.line())) {
                item.refuse(
                    format!("{} is in `{other}` already (line {line})", show(net)),
                    "keep one of the two",
                );
            }
            prefixes.push(item);
            list.push(net);
        }
        list
    };
    (list("allow"), list("deny"))
}

fn prefix(item: &Item<'_>) -> Option<IpNet> {
    const MEND: &str =
        r#"write an address or a prefix, as in "198.51.100.0/24" or "2001:db8::/32""#;
    let text = item.text(MEND)?;
    let net = match network::read(text) {
        Ok(net) => net,
        Err(NetworkError::Address) => {
            item.refuse(format!("{text:?} is not a prefix"), MEND);
            return None;
        }
        Err(NetworkError::Length { most }) => {
            item.refuse(
                format!("{text:?} has a prefix length outside 0..={most}"),
                "write the number of bits that its addresses have in common",
            );
            return None;
        }
        Err(NetworkError::HostBits { network, address }) => {
            item.refuse(
                format!("{text:?} has bits beyond its prefix"),
                format!(r#"write "{network}", or "{address}" for the one address"#),
            );
            return None;
        }
    };
    if address::is_mapped(net) {
        item.refuse(
            format!("{text:?} is IPv4 written as IPv6"),
            "write the IPv4 addresses themselves",
        );
        return None;
    }
    Some(net)
}
