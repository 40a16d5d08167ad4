//! What lies in the pin directory: one file per map, one per attached interface.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use aya::programs::links::PinnedLink;
use lb_common::{Map, maps};

use super::frames::Frames;

const LINK: &str = "link-";

/// Names of all maps that are pinned.
pub fn maps() -> impl Iterator<Item = &'static str> {
    Map::ALL.iter().map(|map| map.name()).chain([
        maps::COUNTERS,
        maps::BACKEND_COUNTERS,
        maps::EVENTS,
        maps::STAGES,
        maps::STAGES_JUMBO,
        maps::HANDOVER,
        maps::RATE,
    ])
}

/// Pin of the link on the interface with this name.
pub fn link(dir: &Path, interface: &str) -> PathBuf {
    dir.join(format!("{LINK}{interface}"))
}

/// Interfaces that have a pinned link.
///
/// # Errors
/// Where the directory exists and cannot be read.
pub fn links(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix(LINK).map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// Removes every link and map pinned in `dir` and says what was removed. Links that nobody else holds end here,
/// and with them the forwarding.
///
/// # Errors
/// At the first pin that cannot be removed.
pub fn remove_all(dir: &Path) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for interface in links(dir)? {
        removed.push(remove_link(dir, &interface)?);
    }
    for name in maps() {
        let pin = dir.join(name);
        match fs::remove_file(&pin) {
            Ok(()) => removed.push(format!("map {name} (pin {})", pin.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot remove {}", pin.display()));
            }
        }
    }
    match fs::remove_dir(dir) {
        Ok(()) => removed.push(format!("directory {}", dir.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
        }
    }
    Ok(removed)
}

/// Removes the map of programs of this kind, if it is pinned: for when no interface has them any more.
///
/// # Errors
/// Where the pin cannot be removed.
pub fn remove_stages(dir: &Path, frames: Frames) -> Result<()> {
    let pin = dir.join(frames.stages());
    match fs::remove_file(&pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", pin.display()))
        }
        _ => Ok(()),
    }
}

/// Removes the link on one interface and says so.
///
/// # Errors
/// Where the pin cannot be removed.
pub fn remove_link(dir: &Path, interface: &str) -> Result<String> {
    let pin = link(dir, interface);
    PinnedLink::from_pin(&pin)
        .with_context(|| format!("cannot open {}", pin.display()))?
        .unpin()
        .with_context(|| format!("cannot remove {}", pin.display()))?;
    Ok(format!(
        "XDP program from {interface} (pin {})",
        pin.display()
    ))
}
