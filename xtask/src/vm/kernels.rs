//! Debian's kernels: which package a series is in, and what of it we need.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::busybox;
use crate::{apt, files, shell, version::Version};

/// A kernel that is unpacked and ready to boot.
pub struct Kernel {
    /// As `uname -r` says it: `6.1.0-35-cloud-amd64`.
    pub release: String,
    /// The compressed kernel.
    pub vmlinuz: PathBuf,
    /// Its modules, their list of dependencies among them.
    pub modules: PathBuf,
}

/// The kernel of a series such as `6.1`; fetched once.
pub fn fetch(series: &str) -> Result<Kernel> {
    let unpacked = super::directory().join("kernel").join(series);
    if !unpacked.exists() {
        apt::need("other kernels")?;
        let package = package(series)?;
        let title = format!("downloading {package}");
        let busybox = busybox::fetch()?;
        files::fill_dir(&unpacked, |partial| {
            // Its own directory, because unpacking fills one from scratch.
            let root = partial.join("root");
            apt::unpack(&title, "once, 30 MB", &[package], &root)?;
            let kernel = find(&root)?;
            // What the package's installation would do.
            shell::output(
                Command::new(busybox)
                    .args(["depmod", "-b"])
                    .arg(&root)
                    .arg(&kernel.release),
            )?;
            Ok(())
        })?;
    }
    find(&unpacked.join("root"))
}

/// The package that holds the newest kernel of a series in this Debian: a metapackage depends on it.
fn package(series: &str) -> Result<String> {
    let metapackages = [
        // Kernels that came later than the release have their series in the name.
        format!("linux-image-{series}-cloud-amd64"),
        "linux-image-cloud-amd64".to_owned(),
    ];
    let mut offered = Vec::new();
    for metapackage in &metapackages {
        if apt::candidate(metapackage, Version::new(0, 0, 1))?.is_some() {
            offered.extend(apt::dependencies(metapackage, "linux-image-")?);
        }
    }
    match of_series(series, &offered) {
        Some(package) => Ok(package.to_owned()),
        None => bail!(
            "this Debian offers no kernel {series} for virtual machines ({} depend on: {}); Debian 12 with its security \
             updates does",
            metapackages.join(" and "),
            if offered.is_empty() {
                "nothing".into()
            } else {
                offered.join(", ")
            }
        ),
    }
}

/// The first package whose kernel is of the series.
fn of_series<'a>(series: &str, packages: &'a [String]) -> Option<&'a str> {
    let wanted = Version::parse(series)?;
    packages.iter().map(String::as_str).find(|package| {
        package
            .strip_prefix("linux-image-")
            .and_then(Version::parse)
            .is_some_and(|found| (found.major, found.minor) == (wanted.major, wanted.minor))
    })
}

/// The kernel in an unpacked package.
fn find(root: &Path) -> Result<Kernel> {
    let modules = only_entry(&root.join("lib/modules"))
        .or_else(|_| only_entry(&root.join("usr/lib/modules")))?;
    let release = modules
        .file_name()
        .and_then(|name| name.to_str())
        .context("a kernel's release is text")?
        .to_owned();
    let vmlinuz = root.join("boot").join(format!("vmlinuz-{release}"));
    if !vmlinuz.exists() {
        bail!(
            "no {}: remove {} to fetch it again",
            vmlinuz.display(),
            root.display()
        );
    }
    Ok(Kernel {
        release,
        vmlinuz,
        modules,
    })
}

fn only_entry(dir: &Path) -> Result<PathBuf> {
    let mut entries =
        fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry?.path()),
        _ => bail!("there is not exactly one entry in {}", dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::of_series;

    #[test]
    fn takes_the_package_of_the_series_and_no_other() {
        let packages = [
            "linux-image-6.12.117+deb12-cloud-amd64".to_owned(),
            "linux-image-6.1.0-56-cloud-amd64".to_owned(),
        ];
        assert_eq!(
            of_series("6.1", &packages),
            Some("linux-image-6.1.0-56-cloud-amd64")
        );
        assert_eq!(
            of_series("6.12", &packages),
            Some("linux-image-6.12.117+deb12-cloud-amd64")
        );
        // What Debian 13's metapackage without a series would say.
        assert_eq!(of_series("6.1", &packages[..1]), None);
    }

    #[test]
    fn takes_no_metapackage_for_a_kernel() {
        assert_eq!(
            of_series("6.1", &["linux-image-cloud-amd64".to_owned()]),
            None
        );
    }
}
