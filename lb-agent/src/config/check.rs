//! From the file as written to a checked [`Config`]: the sections, and what must be unique across them.

mod probe;
mod service;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use lb_common::maps::{MAX_BACKENDS, MAX_SERVICES};
use toml::de::DeTable;

use super::error::Findings;
use super::raw::Section;
use super::value::Item;
use super::{Agent, Config, ConfigErrors, Interface, Listen, XdpMode, address};

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
    listeners: HashMap<Listen, (&'t str, Item<'t>)>,
    /// First service of each VIP.
    vips: HashMap<IpAddr, &'t str>,
    backends: Vec<(IpAddr, Item<'t>)>,
}

fn config(mut root: Section<'_>) -> Config {
    let agent = agent(root.section("agent", "its keys under [agent]"));
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

fn agent(section: Option<Section<'_>>) -> Agent {
    let default = Agent::default();
    let Some(mut section) = section else {
        return default;
    };
    let agent = Agent {
        api: path(&mut section, "api").unwrap_or(default.api),
        pin_dir: path(&mut section, "pin_dir").unwrap_or(default.pin_dir),
        state: path(&mut section, "state").unwrap_or(default.state),
        metrics: section.get("metrics").and_then(|item| metrics(&item)),
        flows: section
            .get("flows")
            .and_then(|item| {
                item.integer(64..=16_777_216, "use a number of flows from 64 to 16777216")
            })
            .unwrap_or(default.flows),
        packet_log: section
            .get("packet_log")
            .and_then(|item| item.flag())
            .unwrap_or(default.packet_log),
    };
    section.finish();
    agent
}

/// A path from the root: the daemon's working directory is nobody's intent.
fn path(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    /// Longest path of a Unix socket: `sun_path` of unix(7) less its final zero.
    const SOCKET_BYTES: usize = 107;
    const MEND: &str = "write the whole path in quotes, starting with /";
    let item = section.get(key)?;
    let path = item.text(MEND)?;
    if !path.starts_with('/') || path.contains('\0') {
        item.refuse(format!("{path:?} is not a path from the root"), MEND);
        return None;
    }
    if key == "api" && path.len() > SOCKET_BYTES {
        item.refuse(
            format!(
                "a path of {} bytes is too long for a Unix socket",
                path.len()
            ),
            format!("use at most {SOCKET_BYTES} bytes"),
        );
        return None;
    }
    Some(path.into())
}

fn metrics(item: &Item<'_>) -> Option<SocketAddr> {
    const MEND: &str = r#"write an address and a port, as in "127.0.0.1:9100""#;
    let address: SocketAddr = item.parse(MEND)?;
    if address.port() == 0 {
        item.refuse("port 0 cannot be asked", MEND);
        return None;
    }
    Some(address)
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
    for (address, item) in &seen.backends {
        if let Some(service) = seen.vips.get(address) {
            item.refuse(
                format!(
                    "{address} is a VIP of service `{service}`, so packets would come back here"
                ),
                "write the server's own address",
            );
        }
    }
}
