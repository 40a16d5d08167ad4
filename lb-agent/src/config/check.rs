//! From the file as written to a checked [`Config`]: the sections, and what must be unique across them.

mod admission;
mod agent;
mod backend;
mod choice;
mod forward;
mod listener;
mod probe;
mod service;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use lb_common::maps::{MAX_BACKENDS, MAX_SERVICES};
use toml::de::DeTable;

use self::admission::MAX_PREFIXES;
use self::listener::Listeners;
use super::error::Findings;
use super::raw::Section;
use super::value::Item;
use super::{Config, ConfigErrors, Interface, XdpMode, address, network};

/// Checks `text`, which messages call `file`.
pub(super) fn document(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    let findings = Findings::new(text, file);
    let (table, errors) = DeTable::parse_recoverable(text);
    // What the parser made of the rest of such a text is a guess; checking a guess misleads.
    let config = if errors.is_empty() {
        Some(config(Section::root(table.get_ref(), &findings)))
    } else {
        findings.add_syntax(errors);
        None
    };
    findings.conclude(config)
}

/// What has been read of other sections, for the checks across them.
#[derive(Default)]
struct Seen<'t> {
    services: HashMap<&'t str, Item<'t>>,
    listeners: Listeners<'t>,
    backends: Vec<(IpAddr, Item<'t>)>,
    /// Addresses that packets to backends come from, and their first service.
    sources: HashMap<IpAddr, &'t str>,
    /// Those of translated flows, each once.
    nat_sources: HashSet<IpAddr>,
    /// What stands in `allow` and `deny`.
    prefixes: Vec<Item<'t>>,
}

fn config(mut root: Section<'_>) -> Config {
    let agent = agent::read(root.section("agent", "its keys under [agent]"));
    let interfaces = interfaces(root.sections("interface", "[[interface]]"));
    if root.lacks("interface") {
        root.refuse(
            "interface",
            "is missing",
            r#"add [[interface]] with name = "eth0""#,
        );
    }
    let mut seen = Seen::default();
    let sections = root.sections("service", "[[service]]");
    let most = MAX_SERVICES as usize - 1;
    if let Some(excess) = sections.get(most) {
        let problem = format!(
            "the file has {} services, {most} are possible",
            sections.len()
        );
        excess.refuse("", &problem, "split them over two balancers");
    }
    let services = sections
        .into_iter()
        .map(|section| service::read(section, &mut seen))
        .collect();
    across(&seen);
    root.finish();
    Config {
        agent,
        interfaces,
        services,
    }
}

fn interfaces(sections: Vec<Section<'_>>) -> Vec<Interface> {
    let mut taken = HashMap::new();
    let interface = |mut section| {
        let name = interface_name(&mut section, &mut taken);
        let xdp = section.get("xdp").and_then(|item| item.word());
        section.finish();
        Interface {
            name,
            xdp: xdp.unwrap_or(XdpMode::Auto),
        }
    };
    sections.into_iter().map(interface).collect()
}

fn interface_name<'t>(section: &mut Section<'t>, taken: &mut HashMap<&'t str, usize>) -> String {
    const MEND: &str = "write a name that `ip link` shows, in quotes";
    let item = section.require("name", r#"name = "eth0""#);
    let Some((item, name)) = item.and_then(|item| item.text(MEND).map(|name| (item, name))) else {
        return String::new();
    };
    if !address::is_interface_name(name) {
        item.refuse(format!("{name:?} cannot name an interface"), MEND);
    } else if let Some(line) = taken.insert(name, item.line()) {
        item.refuse(
            format!("`{name}` is on line {line} already"),
            "keep one of the two",
        );
    }
    name.to_owned()
}

/// Checks that need every service.
fn across(seen: &Seen<'_>) {
    if let Some((_, item)) = seen.backends.get(MAX_BACKENDS as usize) {
        item.refuse(
            format!(
                "the file has {} backends, {MAX_BACKENDS} are possible",
                seen.backends.len()
            ),
            "split their services over two balancers",
        );
    }
    if let Some(item) = seen.prefixes.get(MAX_PREFIXES) {
        item.refuse(
            format!(
                "the file has {} prefixes in `allow` and `deny`, {MAX_PREFIXES} are possible",
                seen.prefixes.len()
            ),
            "join neighbouring prefixes, or let a firewall do it",
        );
    }
    for (address, item) in &seen.backends {
        if let Some((net, service)) = seen.listeners.holding(*address) {
            let place = match network::single(net) {
                Some(_) => format!("{address} is a VIP of service `{service}`"),
                None => format!("{address} is in {net}, VIPs of service `{service}`"),
            };
            item.refuse(
                format!("{place}, so packets would come back here"),
                "write the server's own address",
            );
        } else if let Some(service) = seen.sources.get(address) {
            item.refuse(
                format!("{address} is a source address of service `{service}`, so it is this host"),
                "write the server's own address",
            );
        }
    }
}
