//! The backends of a service.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::super::raw::Section;
use super::super::value::Item;
use super::super::{Backend, Forward, Listen, NatSource, TunnelSource, address};
use super::forward::Way;
use super::{Seen, service};

/// Reads the backends of a service with these listeners, of which none may be known, and adds them to `seen`.
pub(super) fn read_all<'t>(
    section: &mut Section<'t>,
    listen: &[Listen],
    way: &Way,
    seen: &mut Seen<'t>,
) -> Vec<Backend> {
    let sections = section.sections("backend", "[[service.backend]]");
    if section.lacks("backend") {
        section.refuse(
            "backend",
            "is missing",
            "add [[service.backend]] with name and address",
        );
    }
    let mut taken = HashMap::new();
    let backends: Vec<_> = sections
        .into_iter()
        .map(|section| backend(section, listen, way, &mut taken, seen))
        .collect();
    if !backends.is_empty() && backends.iter().all(|backend| backend.backup) {
        section.refuse(
            "backend",
            "every one is a backup",
            "remove `backup = true` from at least one",
        );
    }
    backends
}

fn backend<'t>(
    mut section: Section<'t>,
    listen: &[Listen],
    way: &Way,
    taken: &mut HashMap<&'t str, Item<'t>>,
    seen: &mut Seen<'t>,
) -> Backend {
    let name = service::name(&mut section, "backend", taken);
    let address = section.require("address", r#"address = "10.0.1.11""#);
    let place = address.and_then(|item| place(item, listen, way, seen));
    let weight = section
        .get("weight")
        .and_then(|item| item.integer(0..=256, "use a value from 0 (drain) to 256"))
        .and_then(|weight| u16::try_from(weight).ok());
    let backup = section.get("backup").and_then(|item| item.flag());
    section.finish();
    Backend {
        name: name.to_owned(),
        // Never seen: without an address the file is refused.
        address: place.map_or(IpAddr::from([0; 4]), |(address, _)| address),
        port: place.and_then(|(_, port)| port),
        weight: weight.unwrap_or(1),
        backup: backup.unwrap_or(false),
    }
}

/// The address of a backend, and its port where it has one of its own.
fn place<'t>(
    item: Item<'t>,
    listen: &[Listen],
    way: &Way,
    seen: &mut Seen<'t>,
) -> Option<(IpAddr, Option<u16>)> {
    let (address, port) = written(&item, way.forward)?;
    if let Some(why) = address::unusable(address) {
        item.refuse(format!("{address} {why}"), "write the server's own address");
        return None;
    }
    check_family(&item, address, listen, way);
    seen.backends.push((address, item));
    Some((address, port))
}

/// `10.0.1.11`, or where ports are translated `10.0.1.11:8080`.
fn written(item: &Item<'_>, forward: Option<Forward>) -> Option<(IpAddr, Option<u16>)> {
    let mend = match forward {
        Some(Forward::Nat) => {
            r#"write an IP address, as in "10.0.1.11" or "2001:db8::11", or with a port "10.0.1.11:8080""#
        }
        _ => r#"write an IP address, as in "10.0.1.11" or "2001:db8::11""#,
    };
    let text = item.text(mend)?;
    let Some(socket) = text.parse().ok().filter(is_plain) else {
        return Some((item.parse(mend)?, None));
    };
    let (address, port) = (socket.ip(), socket.port());
    if forward.is_some_and(|forward| forward != Forward::Nat) {
        item.refuse(
            format!(r#"{text:?} has a port, which only forward = "nat" can translate to"#),
            format!(r#"write "{address}", or set forward = "nat""#),
        );
    } else if port == 0 {
        item.refuse(
            format!("{text:?} has port 0"),
            "write the port the server listens on, 1 to 65535",
        );
    }
    Some((address, Some(port)))
}

/// Whether an address and port name no interface.
fn is_plain(socket: &SocketAddr) -> bool {
    !matches!(socket, SocketAddr::V6(v6) if v6.scope_id() != 0)
}

/// Refuses a backend that packets could not reach for its family.
fn check_family(item: &Item<'_>, address: IpAddr, listen: &[Listen], way: &Way) {
    let is_own = |other: IpAddr| other.is_ipv4() == address.is_ipv4();
    let own = address::family(address);
    let others = || {
        let mut vips = listen.iter().map(|listen| listen.addresses.addr());
        vips.find(|vip| !is_own(*vip))
    };
    match (way.forward, &way.nat_source, &way.tunnel_source) {
        (Some(Forward::Dsr), ..) => {
            let has_own = listen.iter().any(|listen| is_own(listen.addresses.addr()));
            if let Some(needed) = others().filter(|_| !has_own).map(address::family) {
                item.refuse(
                    format!("{address} is {own}, but every listener of the service is {needed}"),
                    format!("write the server's {needed} address, or add an {own} listener"),
                );
            }
        }
        (_, NatSource::Client, _) => {
            if let Some(other) = others().map(address::family) {
                item.refuse(
                    format!("{address} is {own}, but {other} clients keep their addresses"),
                    r#"remove nat_source = "client", or give each family a service of its own"#,
                );
            }
        }
        (_, NatSource::List(sources), _) => check_sources(item, address, "nat_source", sources),
        (_, _, TunnelSource::List(sources)) => {
            check_sources(item, address, "tunnel_source", sources);
        }
        _ => {}
    }
}

fn check_sources(item: &Item<'_>, address: IpAddr, key: &str, sources: &[IpAddr]) {
    let own = address::family(address);
    if !sources
        .iter()
        .any(|source| source.is_ipv4() == address.is_ipv4())
    {
        item.refuse(
            format!("{address} is {own}, but `{key}` has no {own} address"),
            format!(
                "add an {own} address of this host to `{key}`, or write the server's other address"
            ),
        );
    }
}
