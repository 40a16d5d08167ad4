//! One agent per interface and per pin directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// Where the lock files lie. Not configurable: agents of different configurations must meet here.
const DIRECTORY: &str = "/run/lb/locks";

/// Held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of an interface of this network namespace.
    ///
    /// # Errors
    /// Where another agent has it: its pid is named.
    pub fn interface(name: &str, ifindex: u32) -> Result<Self> {
        let namespace = fs::metadata("/proc/self/ns/net")
            .context("cannot see the network namespace")?
            .ino();
        Self::take(
            &format!("interface-{namespace}-{ifindex}"),
            &format!("interface {name}"),
        )
    }

    /// Takes the lock of a pin directory, which exists.
    ///
    /// # Errors
    /// Where another agent has it: its pid is named.
    pub fn pins(dir: &Path) -> Result<Self> {
        let seen = fs::metadata(dir).with_context(|| format!("cannot see {}", dir.display()))?;
        let name = format!("pins-{}-{}", seen.dev(), seen.ino());
        Self::take(&name, &format!("pin directory {}", dir.display()))
    }

    fn take(name: &str, what: &str) -> Result<Self> {
        fs::create_dir_all(DIRECTORY).with_context(|| format!("cannot make {DIRECTORY}"))?;
        let path = Path::new(DIRECTORY).join(name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid)?;
                bail!(
                    "{what} is served by the agent with pid {}: stop that one first",
                    pid.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}
