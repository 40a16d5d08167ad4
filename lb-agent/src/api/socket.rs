//! The socket's file.

use std::{fs, os::unix::fs::FileTypeExt as _, path::Path};

use anyhow::{Context as _, Result, bail};
use rustix::{fs::Mode, process::umask};
use tokio::net::{UnixListener, UnixStream};

/// Binds the socket with mode 0600. A socket that a dead agent left is taken over.
///
/// # Errors
/// Where another agent answers there, or the file cannot be made.
pub async fn bind(path: &Path) -> Result<UnixListener> {
    if let Ok(stream) = UnixStream::connect(path).await {
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        bail!(
            "the agent with pid {} already answers at {}: stop that one first, or give this one another `api`",
            pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()),
            path.display()
        );
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path)
                .with_context(|| format!("cannot remove the stale {}", path.display()))?;
        }
        Ok(_) => bail!("{} is there and is no socket: move it away", path.display()),
        Err(_) => {}
    }
    // The mode is right from the first moment: a chmod afterwards would leave one in which anybody may connect.
    let former = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(former);
    listener.with_context(|| format!("cannot bind {}", path.display()))
}

/// Removes the socket's file.
pub fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}
