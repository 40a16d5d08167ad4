//! One `[[service]]`.

use std::collections::HashMap;
use std::time::Duration;

use super::super::raw::Section;
use super::super::value::Item;
use super::super::{Backups, Failback, Forward, Listen, OnDown, Service, address};
use super::{Seen, admission, backend, choice, forward, listener, probe};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Reads a service and adds it to `seen`.
pub(super) fn read<'t>(mut section: Section<'t>, seen: &mut Seen<'t>) -> Service {
    let name = name(&mut section, "service", &mut seen.services);
    let listen = listener::read(&mut section, name, &mut seen.listeners);
    let choice = choice::read(&mut section, &listen);
    let way = forward::read(&mut section, name, seen);
    let backends = backend::read_all(&mut section, &listen, &way, seen);
    let times = Times::read(&mut section);
    let (allow, deny) = admission::read(&mut section, &mut seen.prefixes);
    let any_port = listen.first().is_some_and(Listen::is_any_port);
    let portless = backends
        .iter()
        .find(|backend| any_port && backend.port.is_none());
    let service = Service {
        name: name.to_owned(),
        scheduler: choice.scheduler,
        forward: way.forward.unwrap_or(Forward::Dsr),
        nat_source: way.nat_source,
        reply: way.reply,
        tunnel_source: way.tunnel_source,
        tunnel_hops: way.tunnel_hops,
        gue_port: way.gue_port,
        gue_variant: way.gue_variant,
        mtu: way.mtu,
        mss: way.mss,
        echo: section
            .get("echo")
            .and_then(|item| item.flag())
            .unwrap_or(true),
        one_packet: choice.one_packet,
        sticky: choice.sticky,
        prefix_ipv4: choice.prefix_ipv4,
        prefix_ipv6: choice.prefix_ipv6,
        allow,
        deny,
        probe: section
            .section("probe", r#"probe = { type = "tcp" }"#)
            .and_then(|section| probe::read(section, portless)),
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
        failback_delay: times.failback_delay,
        tcp_idle: times.tcp_idle,
        tcp_opening: times.tcp_opening,
        tcp_closing: times.tcp_closing,
        tcp_closed: times.tcp_closed,
        udp_idle: times.udp_idle,
        backends,
        listen,
    };
    section.finish();
    service
}

struct Times {
    failback_delay: Duration,
    tcp_idle: Duration,
    tcp_opening: Duration,
    tcp_closing: Duration,
    tcp_closed: Duration,
    udp_idle: Duration,
}

impl Times {
    fn read(section: &mut Section<'_>) -> Self {
        let mut time = |key, low, high, default| {
            let item = section.get(key);
            item.and_then(|item| item.duration(low..=high))
                .unwrap_or(default)
        };
        Self {
            failback_delay: time("failback_delay", Duration::ZERO, DAY, Duration::ZERO),
            tcp_idle: time("tcp_idle", SECOND, 7 * DAY, HOUR),
            tcp_opening: time("tcp_opening", SECOND, DAY, MINUTE),
            tcp_closing: time("tcp_closing", SECOND, DAY, 2 * MINUTE),
            tcp_closed: time("tcp_closed", SECOND, HOUR, 10 * SECOND),
            udp_idle: time("udp_idle", SECOND, DAY, 30 * SECOND),
        }
    }
}

/// The section's name, empty if it has none; `taken` holds those of its kind.
pub(super) fn name<'t>(
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
