//! Whether this kernel takes the production programs, and what its verifier thinks of them.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result};
use aya::programs::loaded_programs;
use lb_agent::dataplane::{
    frames::Frames,
    kernel::{Kernel, Options},
    pins,
};
use lb_common::Stage;

const PIN_DIR: &str = "/sys/fs/bpf/lb-guest";

/// Loads each object as the agent does, over new maps.
pub fn load() -> Result<String> {
    let page = load_for(Frames::Page)?;
    let jumbo = load_for(Frames::Jumbo)?;
    Ok(format!("{page}; for jumbo frames: {jumbo}"))
}

fn load_for(frames: Frames) -> Result<String> {
    let start = Instant::now();
    let loaded = Kernel::load(Options {
        pin_dir: Path::new(PIN_DIR),
        frames,
        flows: 65_536,
        packet_log: false,
        seed: None,
    })?;
    let milliseconds = start.elapsed().as_millis();
    let verified = Stage::ALL
        .iter()
        .flat_map(|stage| [stage.program(false), stage.program(true)])
        .map(|name| Ok(format!("{name} {}", verified(name)?)))
        .collect::<Result<Vec<_>>>()?;
    // Alive until here: the programs go with it.
    drop(loaded);
    pins::remove_all(Path::new(PIN_DIR))?;
    Ok(format!(
        "instructions verified: {}; all loaded in {milliseconds} ms",
        verified.join(", ")
    ))
}

fn verified(name: &str) -> Result<u32> {
    for info in loaded_programs() {
        let info = info?;
        if info.name_as_str() == Some(name) {
            return info
                .verified_instruction_count()
                .context("the kernel does not count instructions");
        }
    }
    anyhow::bail!("no program {name} is loaded")
}
