//! A service's `listen`, and which listeners go together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use lb_common::listener::MAX_PATTERNS;

use super::super::raw::Section;
use super::super::value::Item;
use super::super::{Listen, ListenError, Protocol, address, network};

/// The listeners of all services that have been read.
#[derive(Default)]
pub(super) struct Listeners<'t> {
    places: HashMap<(IpNet, Protocol), Place<'t>>,
    /// First service of each network of VIPs.
    vips: HashMap<IpNet, &'t str>,
    /// Prefix lengths of `vips`.
    lengths: HashSet<u8>,
    /// Most patterns of one place, by family and prefix length: as many are looked up for these.
    patterns: HashMap<(bool, u8), usize>,
}

/// The listeners of one network and protocol.
#[derive(Default)]
struct Place<'t> {
    /// By their lowest port; no two have a port in common.
    ranges: BTreeMap<u16, Taken<'t>>,
    /// How many of them are no single destination.
    patterns: usize,
}

struct Taken<'t> {
    listen: Listen,
    service: &'t str,
    line: usize,
}

impl<'t> Listeners<'t> {
    /// The network of VIPs that `address` lies in, and its first service.
    pub(super) fn holding(&self, address: IpAddr) -> Option<(IpNet, &'t str)> {
        self.lengths.iter().find_map(|length| {
            let net = IpNet::new(address, *length).ok()?.trunc();
            self.vips.get(&net).map(|service| (net, *service))
        })
    }

    /// Refuses `listen` if it has ports in common with another one, else adds it.
    fn add(&mut self, listen: &Listen, service: &'t str, item: &Item<'_>) -> bool {
        let place = (listen.addresses, listen.protocol);
        let Place { ranges, patterns } = self.places.entry(place).or_default();
        // Of those that begin no later than `listen` ends only the last can reach into it.
        let before = ranges.range(..=listen.ports.end()).next_back();
        let met = before.filter(|(_, taken)| taken.listen.ports.end() >= listen.ports.start());
        if let Some((_, taken)) = met {
            let (service, line) = (taken.service, taken.line);
            if taken.listen == *listen {
                item.refuse(
                    format!("{listen} is a listener of service `{service}` already (line {line})"),
                    "give each service an address or port of its own",
                );
            } else {
                item.refuse(
                    format!(
                        "{listen} has ports in common with {} of service `{service}` (line {line})",
                        taken.listen
                    ),
                    "give each listener ports of its own",
                );
            }
            return false;
        }
        ranges.insert(
            listen.first_port(),
            Taken {
                listen: listen.clone(),
                service,
                line: item.line(),
            },
        );
        self.vips.entry(listen.addresses).or_insert(service);
        self.lengths.insert(listen.addresses.prefix_len());
        if listen.single().is_none() {
            *patterns += 1;
            let patterns = *patterns;
            self.count(listen, patterns, item);
        }
        true
    }

    /// Refuses `listen`, pattern number `patterns` of its place, if it is the first that the packet path cannot look up.
    fn count(&mut self, listen: &Listen, patterns: usize, item: &Item<'_>) {
        const POSSIBLE: usize = MAX_PATTERNS as usize;
        let net = listen.addresses;
        let kind = (matches!(net, IpNet::V4(_)), net.prefix_len());
        let most = self.patterns.entry(kind).or_default();
        if patterns <= *most {
            return;
        }
        *most = patterns;
        if self.patterns.values().sum::<usize>() == POSSIBLE + 1 {
            item.refuse(
                format!(
                    "{listen} is one more than the {POSSIBLE} prefix lengths and ranges that are possible"
                ),
                "use fewer prefix lengths, and fewer ranges on one network",
            );
        }
    }
}

/// Reads the listeners of `service` and adds them to `all`. Empty where one of them is wrong: nothing can then be said
/// of what backends and other keys need.
pub(super) fn read<'t>(
    section: &mut Section<'t>,
    service: &'t str,
    all: &mut Listeners<'t>,
) -> Vec<Listen> {
    let example = r#"listen = ["192.0.2.10:80/tcp"]"#;
    let Some(item) = section.require("listen", example) else {
        return Vec::new();
    };
    let items = item.list(example);
    let mut listeners = Vec::with_capacity(items.len());
    let mut all_right = true;
    for item in items {
        match listener(&item) {
            Some(listen) if all.add(&listen, service, &item) => listeners.push(listen),
            Some(_) => {}
            None => all_right = false,
        }
    }
    if all_right { listeners } else { Vec::new() }
}

fn listener(item: &Item<'_>) -> Option<Listen> {
    let listen: Listen = match item.text(r#"write "192.0.2.10:80/tcp""#)?.parse() {
        Ok(listen) => listen,
        Err(ListenError { problem, mend }) => {
            item.refuse(problem, mend);
            return None;
        }
    };
    let Some((address, why)) = address::unusable_in(listen.addresses) else {
        return Some(listen);
    };
    if network::single(listen.addresses).is_some() {
        item.refuse(
            format!("{listen} {why}"),
            "write the VIP that clients connect to",
        );
    } else {
        item.refuse(
            format!("{listen} holds {address}, and that {why}"),
            "write a network that has only VIPs",
        );
    }
    None
}
