//! Debian's compiler, for machines whose rustup cannot download. It is a stable release that accepts
//! unstable flags when told to, and its packages are unpacked beside the system: installed, they would
//! conflict with Debian's package of rustup.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{
    OLDEST_RUSTC,
    compiler::{Channel, Compiler},
};
use crate::{apt, files, layout, shell};

/// The packages that make up a compiler for BPF; the standard library is there for build scripts.
const PACKAGES: &[&str] = &["rustc-web", "rust-web-src", "libstd-rust-web-dev"];

/// The compiler that an earlier run unpacked.
pub fn unpacked() -> Option<Result<Compiler>> {
    let prefix = prefix();
    let rustc = prefix.join("usr/bin/rustc");
    rustc.exists().then(|| {
        let wrapper = write_wrapper(&prefix, &rustc)?;
        inspect(wrapper)
    })
}

/// A distribution's compiler that is installed with its sources, by whatever package.
pub fn installed() -> Option<Result<Compiler>> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    rustc.exists().then(|| inspect(rustc))
}

/// Downloads and unpacks the compiler.
pub fn fetch() -> Result<Compiler> {
    if !apt::is_here() {
        bail!("Debian's compiler: this machine has no apt-get");
    }
    match apt::candidate(PACKAGES[0], OLDEST_RUSTC)? {
        Some(version) if version >= OLDEST_RUSTC => {}
        Some(version) => bail!(
            "Debian's compiler: {} is {version} here, and lb needs {OLDEST_RUSTC} or newer (it comes \
             with the security updates: is that source missing in /etc/apt?)",
            PACKAGES[0]
        ),
        None => bail!(
            "Debian's compiler: there is no package {} here",
            PACKAGES[0]
        ),
    }
    let mut packages: Vec<_> = PACKAGES.iter().map(|&name| name.to_owned()).collect();
    // The compiler proper is a shared library with the release in its package's name, as in
    // libstd-rust-web-1.96; LLVM and more stand below it.
    for library in apt::dependencies("libstd-rust-web-dev", "libstd-rust-web-")? {
        packages.extend(apt::missing_with_dependencies(&library)?);
    }
    let title = "downloading Debian's compiler";
    apt::unpack(title, "once, 140 MB", &packages, &prefix())?;
    unpacked().context("the packages hold no usr/bin/rustc")?
}

fn prefix() -> PathBuf {
    layout::tools().join("debian-rust")
}

fn inspect(rustc: PathBuf) -> Result<Compiler> {
    // The cargo that runs xtask will do: cargo only has to be about as old as the compiler.
    Compiler::inspect(rustc, shell::cargo_program(), Channel::Stable)
}

/// rustc looks for its own libraries in the system's directories only.
fn write_wrapper(prefix: &Path, rustc: &Path) -> Result<PathBuf> {
    let libraries = prefix.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let wrapper = prefix.join("rustc");
    files::write_script(
        &wrapper,
        &format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH='{}'\nexec '{}' \"$@\"\n",
            libraries.display(),
            rustc.display()
        ),
    )?;
    Ok(wrapper)
}
