//! What the kernel made of lb's programs.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use aya::EbpfLoader;
use lb_common::Stage;
use serde::Serialize;

use super::stand;

/// One program.
#[derive(Clone, Debug, Serialize)]
pub struct Size {
    /// Its name.
    pub program: &'static str,
    /// Instructions that the verifier walked.
    pub verified: Option<u32>,
    /// Bytes of machine code.
    pub machine_code_bytes: u32,
    /// Whether both are within their bounds.
    pub met: bool,
}

/// Instructions that a program may need the verifier to walk.
pub const MOST_VERIFIED: u32 = 40_000;
/// Bytes of machine code that a program may have.
pub const MOST_BYTES: u32 = 10_240;

/// The programs of every stage that forward, as they are with every feature.
///
/// # Errors
/// Where the kernel refuses; this needs root.
pub fn sizes() -> Result<Vec<Size>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = env::var("LB_BPF_OBJECT")
        .map_or_else(|_| here.join("../target/bpf/lb.bpf.o"), PathBuf::from);
    let object =
        fs::read(&path).with_context(|| format!("{}: run `cargo xtask bench`", path.display()))?;
    let mut loader = EbpfLoader::new();
    loader.override_global("AYA_LOG_LEVEL", &0_u8, true);
    let mut ebpf = loader.load(&object)?;
    let forward = Stage::ALL.iter().map(|stage| stage.program(false));
    forward
        .map(|name| {
            let program = stand::xdp_mut(&mut ebpf, name)?;
            program.load().with_context(|| name.to_owned())?;
            let info = program.info()?;
            Ok(Size::new(
                name,
                info.verified_instruction_count(),
                info.size_jitted(),
            ))
        })
        .collect()
}

impl Size {
    fn new(program: &'static str, verified: Option<u32>, bytes: u32) -> Self {
        // Without its machine code a program is interpreted, which is another measurement altogether.
        let met = verified.is_some_and(|verified| verified <= MOST_VERIFIED)
            && (1..=MOST_BYTES).contains(&bytes);
        Self {
            program,
            verified,
            machine_code_bytes: bytes,
            met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_count() {
        let met = |verified, bytes| Size::new("lb", verified, bytes).met;
        assert!(met(Some(MOST_VERIFIED), MOST_BYTES));
        assert!(!met(Some(MOST_VERIFIED + 1), MOST_BYTES));
        assert!(!met(Some(MOST_VERIFIED), MOST_BYTES + 1));
        assert!(!met(Some(1), 0), "interpreted");
        assert!(!met(None, 1), "not counted");
    }
}
