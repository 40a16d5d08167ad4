//! File locks: one owner per prefix, and one end-to-end test at a time on a machine with few cores.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// While it lives, no other caller of [`exclusive`], in this process or another, goes on.
#[derive(Debug)]
pub struct Exclusive {
    // In this order: who is next in this process must find the file unlocked.
    _lock: Held,
    _turn: Turn,
}

/// Waits for its turn; for tests that measure time or load both cores.
///
/// # Errors
/// Not root, the lock file cannot be made, or another process does not give it up within ten minutes.
pub fn exclusive() -> Result<Exclusive> {
    super::need_root()?;
    let turn = Turn::wait();
    let lock = Held::wait(Path::new("/run/lb-lab.lock"), Duration::from_secs(600))?;
    Ok(Exclusive {
        _lock: lock,
        _turn: turn,
    })
}

/// First come, first served among the threads of this process: the file alone would go to whoever looks first, and
/// that is the thread that has just given it up.
#[derive(Debug)]
struct Turn;

/// Numbers given out, and the number whose turn it is.
static NUMBERS: Mutex<(u64, u64)> = Mutex::new((0, 0));
static MOVED: Condvar = Condvar::new();

impl Turn {
    fn wait() -> Self {
        let mut numbers = lock(&NUMBERS);
        let own = numbers.0;
        numbers.0 += 1;
        while numbers.1 != own {
            numbers = MOVED.wait(numbers).unwrap_or_else(PoisonError::into_inner);
        }
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&NUMBERS).1 += 1;
        MOVED.notify_all();
    }
}

/// Numbers stay right even if a thread panicked while it held them.
fn lock(numbers: &Mutex<(u64, u64)>) -> MutexGuard<'_, (u64, u64)> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lock file that is held, says by whom, and is removed with the value.
#[derive(Debug)]
pub(super) struct Held {
    path: PathBuf,
    // The lock ends when the file is closed, also when the process is killed.
    _file: File,
}

impl Held {
    /// Takes the lock at `path`, waiting at most `patience` for another holder.
    pub(super) fn wait(path: &Path, patience: Duration) -> Result<Self> {
        let start = Instant::now();
        loop {
            if let Some(held) = Self::try_take(path)? {
                return Ok(held);
            }
            if start.elapsed() >= patience {
                let holder = fs::read_to_string(path).unwrap_or_default();
                bail!(
                    "{} is held by process {}: stop it first, or wait for its end",
                    path.display(),
                    holder.trim()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_take(path: &Path) -> Result<Option<Self>> {
        let context = || format!("taking the lock {}", path.display());
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .with_context(context)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).with_context(context),
        }
        // The last holder may have removed the file between our opening and locking it.
        let opened = file.metadata().with_context(context)?.ino();
        if fs::metadata(path).map(|now| now.ino()).ok() != Some(opened) {
            return Ok(None);
        }
        file.set_len(0).with_context(context)?;
        writeln!(file, "{}", std::process::id()).with_context(context)?;
        Ok(Some(Self {
            path: path.to_owned(),
            _file: file,
        }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Removed while still locked: whoever opened it meanwhile sees that it is gone and tries again.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Held::wait(&path, Duration::ZERO).unwrap();
        let error = Held::wait(&path, Duration::ZERO).unwrap_err().to_string();
        assert!(
            error.contains(&format!("held by process {}", std::process::id())),
            "{error}"
        );
        drop(held);
        assert!(!path.exists());
        Held::wait(&path, Duration::ZERO).unwrap();
    }
}
