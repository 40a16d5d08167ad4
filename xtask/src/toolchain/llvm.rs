//! The shared library of LLVM that bpf-linker is built upon. Neither headers nor llvm-config are
//! needed: bpf-linker wants a directory `lib` with a `libLLVM.so` in it.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::LLVM;
use crate::{apt, files, layout, shell, version::Version};

/// A directory whose `lib/libLLVM.so` is the LLVM that bpf-linker is built upon.
pub fn prefix() -> Result<PathBuf> {
    let prefix = layout::tools().join("llvm");
    if let Some(library) = installed() {
        files::fill_dir(&prefix, |partial| {
            link_library(&library, &partial.join("lib"))
        })?;
    } else {
        fetch(&prefix)?;
    }
    Ok(prefix)
}

/// LLVM's library where this system keeps it.
fn installed() -> Option<PathBuf> {
    let multiarch = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let standard = [multiarch.as_str(), "/usr/lib64", "/usr/lib"].map(PathBuf::from);
    llvm_config_directory()
        .into_iter()
        .chain(standard)
        .find_map(|dir| library_in(&dir))
}

/// What llvm-config says: some distributions keep each LLVM in a directory of its own.
fn llvm_config_directory() -> Option<PathBuf> {
    [format!("llvm-config-{LLVM}"), "llvm-config".into()]
        .iter()
        .filter_map(|name| {
            let version = shell::output(Command::new(name).arg("--version")).ok()?;
            let dir = shell::output(Command::new(name).arg("--libdir")).ok()?;
            (Version::parse(&version)?.major == LLVM).then(|| PathBuf::from(dir.trim()))
        })
        .next()
}

fn library_in(dir: &Path) -> Option<PathBuf> {
    fs::read_dir(dir)
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(is_library))
        .map(|entry| entry.path())
        .filter(|path| path.exists())
}

fn is_library(name: &str) -> bool {
    name.strip_prefix("libLLVM.so.")
        .and_then(Version::parse)
        .is_some_and(|version| version.major == LLVM)
}

/// Makes the library known under the name that programs are linked with and the one they load.
fn link_library(library: &Path, lib: &Path) -> Result<()> {
    let loaded_as = library.file_name().context("a library has a name")?;
    fs::create_dir_all(lib)?;
    symlink(library, lib.join(loaded_as))?;
    symlink(loaded_as, lib.join("libLLVM.so"))?;
    Ok(())
}

/// Unpacks Debian's LLVM and those of its dependencies that are not installed.
fn fetch(prefix: &Path) -> Result<()> {
    let package = format!("libllvm{LLVM}");
    if !apt::is_here() || apt::candidate(&package, Version::new(LLVM, 0, 0))?.is_none() {
        bail!(
            "bpf-linker is not installed, and building it needs the shared library of LLVM {LLVM} \
             (libLLVM.so.{LLVM}.*). Install it with your package manager, or fetch a bpf-linker that is \
             built already: cargo binstall bpf-linker"
        );
    }
    let packages = apt::missing_with_dependencies(&package)?;
    let title = format!("downloading LLVM {LLVM}");
    files::fill_dir(prefix, |partial| {
        let unpacked = partial.join("debs");
        apt::unpack(&title, "once, 30 MB", &packages, &unpacked)?;
        let lib = partial.join("lib");
        fs::create_dir_all(&lib)?;
        for dir in ["usr/lib", "lib"] {
            let dir = unpacked.join(format!("{dir}/{}-linux-gnu", env::consts::ARCH));
            move_libraries(&dir, &lib)?;
        }
        files::remove_dir(&unpacked)?;
        let library = library_in(&lib).with_context(|| format!("{package} holds no libLLVM.so"))?;
        let name = library.file_name().context("a library has a name")?;
        symlink(name, lib.join("libLLVM.so")).context("cannot link libLLVM.so")
    })
}

fn move_libraries(from: &Path, to: &Path) -> Result<()> {
    // A package may have nothing in one of the two places.
    let Ok(entries) = fs::read_dir(from) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_library;

    #[test]
    fn knows_the_library_by_its_name() {
        assert!(is_library("libLLVM.so.22.1"));
        assert!(is_library("libLLVM.so.22"));
        for other in [
            "libLLVM.so",
            "libLLVM.so.21.1",
            "libLLVM-14.so.1",
            "libLLVM-22.so",
        ] {
            assert!(!is_library(other), "{other}");
        }
    }
}
