//! `[agent]`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::super::raw::Section;
use super::super::value::Item;
use super::super::{Agent, ports};

/// Reads `[agent]`; without it everything has its default.
pub(super) fn read(section: Option<Section<'_>>) -> Agent {
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
        seed: section.get("seed").and_then(|item| seed(&item)),
        nat_ports: section.get("nat_ports").and_then(|item| nat_ports(&item)),
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
    const MEND: &str = r#"write an address and a port, as in "127.0.0.1:9110""#;
    let address: SocketAddr = item.parse(MEND)?;
    if address.port() == 0 {
        item.refuse("port 0 cannot be asked", MEND);
        return None;
    }
    Some(address)
}

fn seed(item: &Item<'_>) -> Option<String> {
    const MEND: &str = "write 1 to 256 characters in quotes";
    let seed = item.text(MEND)?;
    let length = seed.chars().count();
    if !(1..=256).contains(&length) {
        item.refuse(format!("a seed of {length} characters"), MEND);
        return None;
    }
    Some(seed.to_owned())
}

fn nat_ports(item: &Item<'_>) -> Option<RangeInclusive<u16>> {
    const MEND: &str = r#"write at least 256 ports from 1024 to 65535, as in "1024-32767""#;
    const FEWEST: usize = 256;
    let text = item.text(MEND)?;
    let Some(range) = ports::read(text) else {
        item.refuse(format!("{text:?} is not a range of ports"), MEND);
        return None;
    };
    if *range.start() < 1024 || range.len() < FEWEST {
        let problem = match range.len() {
            0 => "has its higher port first".to_owned(),
            1..FEWEST => format!("has {} ports only", range.len()),
            _ => "has ports below 1024".to_owned(),
        };
        item.refuse(format!("{text:?} {problem}"), MEND);
        return None;
    }
    Some(range)
}
