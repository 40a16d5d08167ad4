//! The file system that pins live on.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result, bail};
use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

/// Where bpffs belongs.
const USUAL: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` of linux/magic.h.
const MAGIC: u64 = 0xcafe_4a11;

/// Makes `dir` and sees that it lies on bpffs, which is mounted at /sys/fs/bpf if nothing is.
///
/// # Errors
/// Where `dir` is elsewhere, or mounting is not permitted.
pub fn ensure(dir: &Path) -> Result<()> {
    if !on_bpffs(dir) && dir.starts_with(USUAL) && !on_bpffs(Path::new(USUAL)) {
        mount("bpf", USUAL, "bpf", MountFlags::empty(), None).with_context(|| {
            format!("cannot mount bpffs at {USUAL}: run as root, or `mount -t bpf bpf {USUAL}`")
        })?;
        tracing::info!("mounted bpffs at {USUAL}");
    }
    fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the pin directory {}", dir.display()))?;
    if !on_bpffs(dir) {
        bail!(
            "{} is not on a BPF file system: set `pin_dir` in [agent] to a directory below {USUAL}, or mount one there with `mount -t bpf bpf DIR`",
            dir.display()
        );
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close {} to other users", dir.display()))
}

/// Whether `path`, or the nearest directory above it that exists, is on bpffs.
fn on_bpffs(path: &Path) -> bool {
    path.ancestors()
        .find(|ancestor| ancestor.exists())
        .and_then(|ancestor| statfs(ancestor).ok())
        .is_some_and(|stat| {
            u64::try_from(stat.f_type).is_ok_and(|magic| magic & 0xffff_ffff == MAGIC)
        })
}
