//! One `[[service]]` and its backends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::super::raw::Section;
use super::super::value::Item;
use super::super::{Backend, Backups, Failback, Forward, Listen, ListenError, OnDown, Scheduler};
use super::super::{Service, address};
use super::{Seen, probe};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Reads a service and adds it to `seen`.
pub(super) fn read<'t>(mut section: Section<'t>, seen: &mut Seen<'t>) -> Service {
    let name = name(&mut section, "service", &mut seen.services);
    let listen = listeners(&mut section, name, seen);
    let first_port = listen.first().map(|listen| listen.address.port());
    let service = Service {
        name: name.to_owned(),
        scheduler: section
            .get("scheduler")
            .and_then(|item| item.word())
            .unwrap_or(Scheduler::RoundRobin),
        forward: section
            .get("forward")
            .and_then(|item| item.word())
            .unwrap_or(Forward::Dsr),
        probe: section
            .section("probe", r#"probe = { type = "tcp" }"#)
            .and_then(|section| probe::read(section, first_port)),
        on_down: section
            .get("on_down")
            .and_then(|item| item.word())
            .unwrap_or(OnDown::Reset),
        backups: section
            .get("backups")
            .and_then(|item| item.word())
            .unwrap_or(Backups::First),
        failback: section
            .get("failback")
            .and_then(|item| item.word())
            .unwrap_or(Failback::Auto),
        failback_delay: duration(&mut section, "failback_delay", Duration::ZERO, DAY)
            .unwrap_or(Duration::ZERO),
        tcp_idle: duration(&mut section, "tcp_idle", SECOND, 7 * DAY).unwrap_or(HOUR),
        udp_idle: duration(&mut section, "udp_idle", SECOND, DAY).unwrap_or(30 * SECOND),
        backends: backends(&mut section, &listen, seen),
        listen,
    };
    section.finish();
    service
}

/// The section's name, empty if it has none; `taken` holds those of its kind.
fn name<'t>(
    section: &mut Section<'t>,
    kind: &str,
    taken: &mut HashMap<&'t str, Item<'t>>,
) -> &'t str {
    let Some(item) = section.require("name", &format!(r#"name = "my-{kind}""#)) else {
        return "";
    };
    let Some(name) = item.text("write it in quotes") else {
        return "";
    };
    if !address::is_name(name) {
        item.refuse(format!("{name:?} cannot name a {kind}"), address::NAME_RULE);
        return "";
    }
    if let Some(first) = taken.get(name) {
        item.refuse(
            format!("`{name}` names the {kind} on line {} already", first.line()),
            "choose another name",
        );
    } else {
        taken.insert(name, item);
    }
    name
}

fn duration(
    section: &mut Section<'_>,
    key: &'static str,
    low: Duration,
    high: Duration,
) -> Option<Duration> {
    section.get(key)?.duration(low..=high)
}

fn listeners<'t>(section: &mut Section<'t>, service: &'t str, seen: &mut Seen<'t>) -> Vec<Listen> {
    let example = r#"listen = ["192.0.2.10:80/tcp"]"#;
    let Some(item) = section.require("listen", example) else {
        return Vec::new();
    };
    let items = item.list(example);
    let mut listeners = Vec::with_capacity(items.len());
    let mut all_right = true;
    for item in items {
        let Some(listen) = listener(&item) else {
            all_right = false;
            continue;
        };
        if let Some((other, first)) = seen.listeners.get(&listen) {
            item.refuse(
                format!(
                    "{listen} is a listener of service `{other}` already (line {})",
                    first.line()
                ),
                "give each service an address or port of its own",
            );
            continue;
        }
        seen.listeners.insert(listen, (service, item));
        seen.vips.entry(listen.address.ip()).or_insert(service);
        listeners.push(listen);
    }
    // With one unread, nothing can be said of the families that backends need.
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
    if let Some(why) = address::unusable(listen.address.ip()) {
        item.refuse(
            format!("{listen} {why}"),
            "write the VIP that clients connect to",
        );
        return None;
    }
    if listen.address.port() == 0 {
        item.refuse(
            format!("{listen} has port 0"),
            "write the port that clients connect to, 1 to 65535",
        );
        return None;
    }
    Some(listen)
}

fn backends<'t>(section: &mut Section<'t>, listen: &[Listen], seen: &mut Seen<'t>) -> Vec<Backend> {
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
        .map(|section| backend(section, listen, &mut taken, seen))
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
    taken: &mut HashMap<&'t str, Item<'t>>,
    seen: &mut Seen<'t>,
) -> Backend {
    let name = name(&mut section, "backend", taken);
    let address = section.require("address", r#"address = "10.0.1.11""#);
    let address = address.and_then(|item| backend_address(item, listen, seen));
    let weight = section
        .get("weight")
        .and_then(|item| item.integer(0..=256, "use a value from 0 (drain) to 256"))
        .and_then(|weight| u16::try_from(weight).ok());
    let backup = section.get("backup").and_then(|item| item.flag());
    section.finish();
    Backend {
        name: name.to_owned(),
        // Never seen: without an address the file is refused.
        address: address.unwrap_or(IpAddr::from([0; 4])),
        weight: weight.unwrap_or(1),
        backup: backup.unwrap_or(false),
    }
}

fn backend_address<'t>(item: Item<'t>, listen: &[Listen], seen: &mut Seen<'t>) -> Option<IpAddr> {
    let address: IpAddr =
        item.parse(r#"write an IP address, as in "10.0.1.11" or "2001:db8::11""#)?;
    if let Some(why) = address::unusable(address) {
        item.refuse(format!("{address} {why}"), "write the server's own address");
        return None;
    }
    let same_family = |listen: &Listen| listen.address.is_ipv4() == address.is_ipv4();
    if !listen.is_empty() && !listen.iter().any(same_family) {
        let (own, needed) = (
            address::family(address),
            address::family(listen[0].address.ip()),
        );
        item.refuse(
            format!("{address} is {own}, but every listener of the service is {needed}"),
            format!("write the server's {needed} address, or add an {own} listener"),
        );
    }
    seen.backends.push((address, item));
    Some(address)
}
