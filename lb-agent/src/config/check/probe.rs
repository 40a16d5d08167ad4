//! One `probe`.

use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::http::uri::{Authority, PathAndQuery};

use super::super::raw::Section;
use super::super::value::Item;
use super::super::words::ProbeType;
use super::super::{Backend, Probe, ProbeKind};

/// Bounds of every time of a probe. They catch a mistyped unit, not a matter of taste.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_hours(1);

/// Reads a probe. `portless` is a backend for which neither it nor the service's first listener names a port.
pub(super) fn read(mut section: Section<'_>, portless: Option<&Backend>) -> Option<Probe> {
    let kind = kind(&mut section);
    let port = section.get("port");
    if let (None, Some(backend)) = (&port, portless) {
        section.refuse(
            "port",
            &format!(
                "is missing: the first listener takes any port, and backend `{}` has none of its own",
                backend.name
            ),
            "add port = 80, the port the backends answer on",
        );
    }
    let port = port.and_then(|item| port_of(&item));
    let times = Times::read(&mut section);
    let rise = count(&mut section, "rise");
    let fall = count(&mut section, "fall");
    section.finish();
    Some(Probe {
        kind: kind?,
        port,
        interval: times.interval,
        fast_interval: times.fast_interval,
        down_interval: times.down_interval,
        timeout: times.timeout,
        rise: rise.unwrap_or(2),
        fall: fall.unwrap_or(3),
    })
}

struct Times {
    interval: Duration,
    fast_interval: Duration,
    down_interval: Duration,
    timeout: Duration,
}

impl Times {
    fn read(section: &mut Section<'_>) -> Self {
        let interval = match section.get("interval") {
            // A wrong one is refused already; under the longest the others need no second complaint.
            Some(item) => item.duration(SHORTEST..=LONGEST).unwrap_or(LONGEST),
            None => Duration::from_secs(2),
        };
        let up_to_interval = |item: Item<'_>| {
            let duration = item.duration(SHORTEST..=LONGEST)?;
            if duration > interval {
                let [own, most] = [duration, interval].map(humantime::format_duration);
                item.refuse(
                    format!("{own} is longer than the interval, {most}"),
                    format!("use at most {most}, or a longer interval"),
                );
            }
            Some(duration)
        };
        let fast_interval = section.get("fast_interval").and_then(up_to_interval);
        let timeout = section.get("timeout").and_then(up_to_interval);
        let down_interval = section
            .get("down_interval")
            .and_then(|item| item.duration(SHORTEST..=LONGEST));
        let quarter = (interval / 4).max(Duration::from_millis(50)).min(interval);
        Self {
            interval,
            fast_interval: fast_interval.unwrap_or(quarter),
            down_interval: down_interval.unwrap_or(interval),
            timeout: timeout.unwrap_or(interval.min(Duration::from_secs(1))),
        }
    }
}

fn count(section: &mut Section<'_>, key: &'static str) -> Option<u32> {
    section
        .get(key)?
        .integer(1..=100, "use a number of consecutive results from 1 to 100")
}

fn port_of(item: &Item<'_>) -> Option<u16> {
    let port = item.integer(
        1..=65_535,
        "use the port the backend answers on, 1 to 65535",
    )?;
    u16::try_from(port).ok()
}

fn kind(section: &mut Section<'_>) -> Option<ProbeKind> {
    let kind = section.require("type", r#"type = "tcp" or type = "http""#);
    let kind = kind.and_then(|item| item.word());
    let [path_item, host_item, status_item] =
        ["path", "host", "status"].map(|key| section.get(key));
    match kind? {
        ProbeType::Tcp => {
            for item in [path_item, host_item, status_item].into_iter().flatten() {
                item.refuse(
                    "belongs to http probes",
                    r#"remove it, or set type = "http""#,
                );
            }
            Some(ProbeKind::Tcp)
        }
        ProbeType::Http => Some(ProbeKind::Http {
            path: path_item
                .and_then(|item| path(&item))
                .unwrap_or("/".to_owned()),
            host: host_item.and_then(|item| host(&item)),
            status: status_item.map_or(vec![200..=399], |item| status(&item)),
        }),
    }
}

fn path(item: &Item<'_>) -> Option<String> {
    const MEND: &str = r#"write one such as "/healthz", other characters as %XX"#;
    let text = item.text(MEND)?;
    // The type would cut a fragment off in silence, and takes `*` for OPTIONS.
    let plain = text.is_ascii() && text.starts_with('/') && !text.contains('#');
    let sendable = plain && text.parse::<PathAndQuery>().is_ok();
    if !sendable {
        item.refuse(format!("{text:?} is not a path"), MEND);
    }
    sendable.then(|| text.to_owned())
}

fn host(item: &Item<'_>) -> Option<String> {
    const MEND: &str = r#"write one such as "www.example.org""#;
    let text = item.text(MEND)?;
    let sendable = !text.contains('@') && text.parse::<Authority>().is_ok();
    if !sendable {
        item.refuse(format!("{text:?} is not a host"), MEND);
    }
    sendable.then(|| text.to_owned())
}

fn status(item: &Item<'_>) -> Vec<RangeInclusive<u16>> {
    if item.is_list() {
        let codes = item.list(r#"status = "200-399""#);
        codes.iter().filter_map(status_range).collect()
    } else {
        status_range(item).into_iter().collect()
    }
}

/// `"200-399"`, `"204"` or `204`.
fn status_range(item: &Item<'_>) -> Option<RangeInclusive<u16>> {
    const MEND: &str = r#"use codes from 100 to 599, as in "200-399" or ["200-299", "401"]"#;
    if item.is_integer() {
        let code = u16::try_from(item.integer(100..=599, MEND)?).ok()?;
        return Some(code..=code);
    }
    let text = item.text(MEND)?;
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let [low, high] = [low, high].map(|code| code.trim().parse::<u16>().ok());
    match (low, high) {
        (Some(low @ 100..=599), Some(high @ 100..=599)) if low <= high => Some(low..=high),
        _ => {
            item.refuse(format!("{text:?} is not a range of status codes"), MEND);
            None
        }
    }
}
