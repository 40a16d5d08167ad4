//! How a service's packets reach its backends.

use std::net::IpAddr;

use lb_common::maps::MAX_SOURCES;

use super::super::raw::Section;
use super::super::value::Item;
use super::super::words;
use super::super::{Forward, Mss, NatSource, Reply, TunnelSource, address};
use super::Seen;

/// The keys of a service that say it.
pub(super) struct Way {
    /// None where it cannot be read: what depends on it is then not refused.
    pub(super) forward: Option<Forward>,
    pub(super) nat_source: NatSource,
    pub(super) reply: Reply,
    pub(super) tunnel_source: TunnelSource,
    pub(super) tunnel_hops: u8,
    pub(super) gue_port: u16,
    pub(super) gue_variant: u8,
    pub(super) mtu: Option<u16>,
    pub(super) mss: Option<Mss>,
}

const TUNNELS: &[Forward] = &[Forward::Ipip, Forward::Gue];

/// Reads them and adds the sources to `seen`.
pub(super) fn read<'t>(section: &mut Section<'t>, service: &'t str, seen: &mut Seen<'t>) -> Way {
    let forward = match section.get("forward") {
        Some(item) => item.word(),
        None => Some(Forward::Dsr),
    };
    let mut of = |key, ways| only(section, key, ways, forward);
    Way {
        forward,
        nat_source: of("nat_source", &[Forward::Nat])
            .and_then(|item| nat_source(&item, service, seen))
            .unwrap_or(NatSource::Auto),
        reply: of("reply", &[Forward::Nat])
            .and_then(|item| item.word())
            .unwrap_or(Reply::LastHop),
        tunnel_source: of("tunnel_source", TUNNELS)
            .and_then(|item| tunnel_source(&item, service, seen))
            .unwrap_or(TunnelSource::Auto),
        tunnel_hops: of("tunnel_hops", TUNNELS)
            .and_then(|item| item.integer(1..=255, "use a number of hops from 1 to 255"))
            .and_then(|hops| u8::try_from(hops).ok())
            .unwrap_or(64),
        gue_port: of("gue_port", &[Forward::Gue])
            .and_then(|item| {
                item.integer(
                    1..=65_535,
                    "use the port the tunnels' ends have, 1 to 65535",
                )
            })
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(6080),
        gue_variant: of("gue_variant", &[Forward::Gue])
            .and_then(|item| item.integer(0..=1, "use 1, or 0 for a header of 4 bytes"))
            .and_then(|variant| u8::try_from(variant).ok())
            .unwrap_or(1),
        mtu: of("mtu", &[Forward::Nat, Forward::Ipip, Forward::Gue])
            .and_then(|item| item.integer(576..=65_535, "use a number of bytes from 576 to 65535"))
            .and_then(|bytes| u16::try_from(bytes).ok()),
        mss: section.get("mss").and_then(|item| mss(&item)),
    }
}

/// The value of `key`, which means something in these `ways` alone.
fn only<'t>(
    section: &mut Section<'t>,
    key: &'static str,
    ways: &[Forward],
    forward: Option<Forward>,
) -> Option<Item<'t>> {
    let item = section.get(key)?;
    if forward.is_none_or(|forward| ways.contains(&forward)) {
        return Some(item);
    }
    let ways = words::list_of(ways);
    item.refuse(
        format!("belongs to forward = {ways}"),
        format!("remove it, or set forward = {ways}"),
    );
    None
}

fn nat_source<'t>(item: &Item<'t>, service: &'t str, seen: &mut Seen<'t>) -> Option<NatSource> {
    const MOST: usize = 8;
    const MEND: &str = r#"write "auto", "client" or addresses of this host, as in ["10.0.1.1"]"#;
    if !item.is_list() {
        return match item.text(MEND)? {
            "auto" => Some(NatSource::Auto),
            "client" => Some(NatSource::Client),
            text => {
                item.refuse(format!("{text:?} is not a known word here"), MEND);
                None
            }
        };
    }
    let items = item.list(r#"nat_source = ["10.0.1.1"]"#);
    if let Some(ninth) = items.get(MOST) {
        ninth.refuse(
            format!("{} addresses, {MOST} are possible", items.len()),
            "remove some: each serves tens of thousands of flows to one backend's port",
        );
    }
    let (mut list, mut all_right) = (Vec::new(), true);
    for item in items {
        let Some(source) = source(&item) else {
            all_right = false;
            continue;
        };
        if list.contains(&source) {
            item.refuse(format!("{source} is there already"), "keep one of the two");
            continue;
        }
        list.push(source);
        seen.sources.entry(source).or_insert(service);
        let all = seen.nat_sources.len();
        if seen.nat_sources.insert(source) && all == MAX_SOURCES as usize {
            item.refuse(
                format!("{source} is one more than the {all} addresses that are possible"),
                "use the same addresses for several services",
            );
        }
    }
    // With one unread, nothing can be said of the families that backends need.
    (all_right && !list.is_empty()).then_some(NatSource::List(list))
}

fn tunnel_source<'t>(
    item: &Item<'t>,
    service: &'t str,
    seen: &mut Seen<'t>,
) -> Option<TunnelSource> {
    const MEND: &str =
        r#"write "auto" or addresses of this host, as in ["10.0.1.1", "2001:db8:1::1"]"#;
    if !item.is_list() {
        let text = item.text(MEND)?;
        if text != "auto" {
            item.refuse(format!("{text:?} is not a known word here"), MEND);
            return None;
        }
        return Some(TunnelSource::Auto);
    }
    let (mut list, mut all_right) = (Vec::<IpAddr>::new(), true);
    for item in item.list(r#"tunnel_source = ["10.0.1.1"]"#) {
        let Some(source) = source(&item) else {
            all_right = false;
            continue;
        };
        let same_family = |other: &&IpAddr| other.is_ipv4() == source.is_ipv4();
        if let Some(other) = list.iter().find(same_family) {
            let family = address::family(source);
            item.refuse(
                format!("{source} is {family}, as {other} is"),
                "keep one of each family",
            );
            continue;
        }
        list.push(source);
        seen.sources.entry(source).or_insert(service);
    }
    (all_right && !list.is_empty()).then_some(TunnelSource::List(list))
}

/// An address of this host.
fn source(item: &Item<'_>) -> Option<IpAddr> {
    let address: IpAddr = item.parse(r#"write an address of this host, as in "10.0.1.1""#)?;
    if let Some(why) = address::unusable(address) {
        item.refuse(
            format!("{address} {why}"),
            "write an address that backends can answer to",
        );
        return None;
    }
    Some(address)
}

fn mss(item: &Item<'_>) -> Option<Mss> {
    const MEND: &str = r#"use "auto", or a number of bytes from 536 to 65495"#;
    if item.is_integer() {
        let bytes = item.integer(536..=65_495, MEND)?;
        return u16::try_from(bytes).ok().map(Mss::Bytes);
    }
    let text = item.text(MEND)?;
    if text != "auto" {
        item.refuse(format!("{text:?} is not a known word here"), MEND);
        return None;
    }
    Some(Mss::Auto)
}
