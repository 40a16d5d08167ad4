//! Whether this machine can load what we build.

use std::fs;

use anyhow::{Result, bail};

use crate::version::Version;

/// The oldest kernel whose verifier and BPF features the data path is written for.
const OLDEST: Version = Version::new(6, 1, 0);

/// Fails with one clear sentence where lb cannot run.
pub fn check() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!(
            "lb is an XDP program and needs Linux {OLDEST} or newer: run this on a Linux machine or VM"
        );
    }
    judge(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim())
}

fn judge(release: &str) -> Result<()> {
    match Version::parse(release) {
        Some(version) if version < OLDEST => bail!(
            "this kernel is {release}, and lb needs Linux {}.{} or newer: boot a newer kernel, or \
             use a machine or VM that has one",
            OLDEST.major,
            OLDEST.minor
        ),
        // A release that we cannot read is the user's own kernel: the verifier is the better judge.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn takes_6_1_and_newer() {
        for release in ["6.1.0-35-cloud-amd64", "6.18.44", "7.0-rc1", "custom"] {
            judge(release).expect(release);
        }
    }

    #[test]
    fn names_the_kernel_it_refuses() {
        let error = judge("5.10.0-8-amd64").expect_err("5.10 is too old");
        assert!(error.to_string().contains("5.10.0-8-amd64"), "{error}");
    }
}
