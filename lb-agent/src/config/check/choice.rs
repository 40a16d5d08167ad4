//! How a service chooses the backend of a new flow.

use std::time::Duration;

use super::super::raw::Section;
use super::super::value::Item;
use super::super::{Listen, Protocol, Scheduler};

/// The keys of a service that say it.
pub(super) struct Choice {
    pub(super) scheduler: Scheduler,
    pub(super) one_packet: bool,
    pub(super) sticky: Option<Duration>,
    pub(super) prefix_ipv4: u8,
    pub(super) prefix_ipv6: u8,
}

/// Reads them for a service with these listeners, of which none may be known.
pub(super) fn read(section: &mut Section<'_>, listen: &[Listen]) -> Choice {
    let scheduler = match section.get("scheduler") {
        Some(item) => item.word(),
        None => Some(Scheduler::RoundRobin),
    };
    let sticky = section.get("sticky");
    // A wrong scheduler may have been meant to use them.
    let prefixes_count = sticky.is_some() || scheduler.is_none_or(|s| s == Scheduler::SourceHash);
    let sticky = sticky
        .and_then(|item| item.duration(Duration::from_secs(1)..=Duration::from_hours(7 * 24)));
    let one_packet = section
        .get("one_packet")
        .filter(|item| item.flag() == Some(true));
    if let Some(item) = &one_packet {
        check_one_packet(item, listen, scheduler, sticky);
    }
    let mut prefix = |key, most| {
        let item = section.get(key)?;
        if !prefixes_count {
            item.refuse(
                r#"belongs to `sticky` and scheduler = "source-hash""#,
                "remove it, or add one of them",
            );
            return None;
        }
        let mend = format!("use a number of leading bits from 1 to {most}");
        let bits = item.integer(1..=most, &mend)?;
        u8::try_from(bits).ok()
    };
    Choice {
        prefix_ipv4: prefix("prefix_ipv4", 32).unwrap_or(32),
        prefix_ipv6: prefix("prefix_ipv6", 128).unwrap_or(128),
        scheduler: scheduler.unwrap_or(Scheduler::RoundRobin),
        one_packet: one_packet.is_some(),
        sticky,
    }
}

/// What `one_packet = true` does not go with: each needs something remembered.
fn check_one_packet(
    item: &Item<'_>,
    listen: &[Listen],
    scheduler: Option<Scheduler>,
    sticky: Option<Duration>,
) {
    let tcp = listen
        .iter()
        .find(|listen| listen.protocol == Protocol::Tcp);
    if let Some(listen) = tcp {
        item.refuse(
            format!("is for UDP alone, and the service listens on {listen}"),
            "remove it, or give the TCP listeners a service of their own",
        );
    }
    if sticky.is_some() {
        item.refuse(
            "schedules every datagram by itself, but `sticky` keeps a client's flows together",
            "remove one of the two",
        );
    }
    if scheduler == Some(Scheduler::LeastConnections) {
        item.refuse(
            r#"leaves no flows for scheduler = "least-connections" to count"#,
            "remove it, or use another scheduler",
        );
    }
}
