//! Debian's package tools: what can be had, unpacking packages beside the system, and installing them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    files,
    progress::{Step, say},
    root, shell,
    version::Version,
};

/// A slow line still gets 150 MB through in this time.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// Whether this is a machine with Debian's package tools.
pub fn is_here() -> bool {
    ["apt-get", "apt-cache", "dpkg"]
        .iter()
        .all(|program| shell::find(program).is_some())
}

/// Fails where there are no package tools; `what` is what they are needed for.
pub fn need(what: &str) -> Result<()> {
    if !is_here() {
        bail!("{what} come as Debian packages, and this machine has no apt-get");
    }
    Ok(())
}

/// The version of `package` that would be installed. The lists are refreshed first when they know no
/// version from `oldest` on. None when Debian does not have the package.
pub fn candidate(package: &str, oldest: Version) -> Result<Option<Version>> {
    let known = known_candidate(package)?;
    if known >= Some(oldest) {
        return Ok(known);
    }
    refresh_lists()?;
    known_candidate(package)
}

/// The packages that `package` needs, itself included, and that this system does not have installed.
pub fn missing_with_dependencies(package: &str) -> Result<Vec<String>> {
    let mut simulate = apt("apt-get");
    simulate.args(["install", "--simulate", "--no-install-recommends", package]);
    Ok(parse_simulation(&shell::output(&mut simulate)?))
}

/// The packages whose name begins with `prefix` among those that `package` depends on.
pub fn dependencies(package: &str, prefix: &str) -> Result<Vec<String>> {
    let text = shell::output(apt("apt-cache").args(["depends", package]))?;
    Ok(parse_dependencies(&text, prefix))
}

/// Downloads the packages and unpacks them into `into`; installs nothing, so it needs no root.
/// `title` and `hint` are those of a [`Step`].
pub fn unpack(title: &str, hint: &str, packages: &[String], into: &Path) -> Result<()> {
    let step = Step {
        log: "apt-download",
        title,
        hint,
        limit: DOWNLOAD_LIMIT,
    };
    files::fill_dir(into, |partial| {
        let debs = partial.join("debs");
        fs::create_dir_all(&debs)?;
        let download = || {
            let mut command = apt("apt-get");
            step.run(command.arg("download").args(packages).current_dir(&debs))
        };
        if let Err(error) = download() {
            // Old lists name files that the mirror has replaced since.
            say(format!("{error:#}"));
            refresh_lists()?;
            download()?;
        }
        for deb in list(&debs)? {
            shell::output(Command::new("dpkg").arg("-x").arg(&deb).arg(partial))?;
        }
        files::remove_dir(&debs)
    })
}

/// Installs the packages on the system.
pub fn install(packages: &[&str]) -> Result<()> {
    let mut command = root::command("env", "install Debian packages")
        .with_context(|| format!("cannot run apt-get install {}", packages.join(" ")))?;
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"])
        .args(["-qq", "--no-install-recommends"])
        .args(packages)
        // dpkg's account of every package; what goes wrong is said on stderr.
        .stdout(Stdio::null());
    shell::run(&mut command).or_else(|error| {
        // Lists that are missing or old: nothing is known, or files that the mirror has replaced since.
        say(format!("{error:#}; trying once more with fresh lists"));
        refresh_lists()?;
        shell::run(&mut command)
    })
}

fn known_candidate(package: &str) -> Result<Option<Version>> {
    let policy = shell::output(apt("apt-cache").args(["policy", package]))?;
    Ok(Version::after("Candidate:", &policy))
}

fn refresh_lists() -> Result<()> {
    let mut command = root::command("apt-get", "refresh Debian's package lists")?;
    // One unreachable third-party source fails the whole command, but not what we look for.
    if let Err(error) = shell::run(command.args(["update", "-qq"])) {
        say(format!("{error:#}; going on with the lists there are"));
    }
    Ok(())
}

/// A package tool that speaks English, because we read what it says.
fn apt(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    command
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

fn parse_simulation(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn parse_dependencies(text: &str, prefix: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{parse_dependencies, parse_simulation};

    #[test]
    fn reads_what_an_installation_would_add() {
        let text = "\
Reading package lists...
The following additional packages will be installed:
  libz3-4
Inst libz3-4 (4.8.12-3.1 Debian:12/stable [amd64])
Inst libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/stable-security [amd64])
Conf libz3-4 (4.8.12-3.1 Debian:12/stable [amd64])
";
        assert_eq!(parse_simulation(text), ["libz3-4", "libllvm22"]);
    }

    #[test]
    fn reads_dependencies_by_prefix() {
        let text = "\
libstd-rust-web-dev
  Depends: libstd-rust-web-1.96
  Depends: libc6
  Conflicts: <rustup>
";
        let found = parse_dependencies(text, "libstd-rust-web-");
        assert_eq!(found, ["libstd-rust-web-1.96"]);
    }
}
