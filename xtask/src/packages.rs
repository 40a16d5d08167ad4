//! Programs that the demo and the tests call, installed only where they are missing.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{apt, progress::say, root, shell, vm::QEMU};

/// A program (or another file, by its whole path), the Debian package that brings it, and what it is here for.
pub struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

/// What `cargo xtask run` needs.
pub const DEMO: &[Need] = &[IP, ETHTOOL];

/// What `cargo xtask bench net` needs: clients, servers, and lb's peers.
pub const NET: &[Need] = &[IP, ETHTOOL, NGINX, CURL, WRK, NFT, SYSCTL, HAPROXY, STREAM];

/// What `cargo xtask test` needs.
pub const TESTS: &[Need] = &[
    IP,
    ETHTOOL,
    NGINX,
    CURL,
    WRK,
    need("openssl", "openssl", "certificates of backends with TLS"),
    need("tcpdump", "tcpdump", "looking at what is on the wire"),
    need(
        "tshark",
        "tshark",
        "finding every malformed packet of a capture",
    ),
    NFT,
    SYSCTL,
    HAPROXY,
    STREAM,
];

/// What `cargo xtask vm` needs: a machine for the guest, and the programs that the guest is given copies of.
pub const VM: &[Need] = &[
    need(
        QEMU,
        "qemu-system-x86",
        "a machine that boots other kernels",
    ),
    IP,
    ETHTOOL,
    need("nsenter", "util-linux", "programs in a network namespace"),
];

const NGINX: Need = need("nginx", "nginx", "real backends");
const CURL: Need = need("curl", "curl", "real clients");
const WRK: Need = need("wrk", "wrk", "clients that keep many connections busy");
const NFT: Need = need("nft", "nftables", "the kernel's own NAT and filters");
const SYSCTL: Need = need("sysctl", "procps", "settings of a network namespace");
const HAPROXY: Need = need("haproxy", "haproxy", "a proxy to compare lb with");
const STREAM: Need = need(
    "/usr/lib/nginx/modules/ngx_stream_module.so",
    "libnginx-mod-stream",
    "nginx as a proxy to compare lb with",
);
const IP: Need = need("ip", "iproute2", "network namespaces, links and routes");
const ETHTOOL: Need = need(
    "ethtool",
    "ethtool",
    "switching off checksum offload on veth",
);

/// Installs the packages of those programs that are missing, saying which and why.
pub fn ensure(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(format!("missing: {} ({})", need.program, need.why));
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    if !apt::is_here() {
        bail!(
            "install the missing programs with your package manager (in Debian they are in the \
             packages {})",
            packages.join(" ")
        );
    }
    say(format!(
        "installing Debian packages: {}",
        packages.join(" ")
    ));
    apt::install(&packages)?;
    if packages.contains(&"nginx") {
        stop_debians_nginx()?;
    }
    still_missing(needs)
}

impl Need {
    fn is_here(&self) -> bool {
        Path::new(self.program).is_absolute() && Path::new(self.program).exists()
            || shell::find(self.program).is_some()
    }
}

const fn need(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need {
        program,
        package,
        why,
    }
}

fn missing(needs: &[Need]) -> Vec<&Need> {
    needs.iter().filter(|need| !need.is_here()).collect()
}

fn still_missing(needs: &[Need]) -> Result<()> {
    match missing(needs).first() {
        None => Ok(()),
        Some(need) => bail!(
            "the package {} is installed, yet there is no {} (of programs, on the PATH)",
            need.package,
            need.program
        ),
    }
}

/// Debian starts nginx on port 80 as soon as it is installed. Only the tests asked for it here, and
/// they start their own.
fn stop_debians_nginx() -> Result<()> {
    let stop = "if [ -d /run/systemd/system ]; then systemctl disable --now nginx; \
                elif [ -e /run/nginx.pid ]; then service nginx stop; fi";
    let mut command = root::command("sh", "stop the nginx service that came with the package")?;
    shell::run(command.args(["-c", stop]))
}
