//! Putting the program on an interface, or in the place of the one an earlier agent put there.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result, anyhow};
use aya::programs::{
    ProgramError,
    links::{FdLink, PinnedLink},
    xdp::{XdpLink, XdpMode},
};
use lb_common::Stage;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketType, netdevice::name_to_index, socket},
};

use super::{Kernel, bond, lock, program};
use crate::{config, dataplane::pins};

/// Where on the interface the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// After the kernel has made an skb.
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// What was done to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The program is new there.
    Anew(Mode),
    /// It took the place of an earlier agent's program, between two packets.
    Replaced,
}

impl Kernel {
    /// Puts the program on `interface` and pins its link in `dir`.
    ///
    /// # Errors
    /// Where there is no such interface, another program is on it, or its driver cannot do the mode insisted on.
    pub fn attach(&self, dir: &Path, interface: &config::Interface) -> Result<Attached> {
        let ifindex = ifindex(&interface.name)?;
        let pin = pins::link(dir, &interface.name);
        if pin.exists() {
            match self.replace(&pin) {
                Ok(()) => return Ok(Attached::Replaced),
                Err(error) => {
                    // The link outlived its interface: one of the same name has come since.
                    tracing::warn!(
                        "{}: the pinned link is of no use any more ({error:#})",
                        interface.name
                    );
                    std::fs::remove_file(&pin)
                        .with_context(|| format!("cannot remove {}", pin.display()))?;
                }
            }
        }
        let link = match interface.xdp {
            config::XdpMode::Native => self.attach_as(&interface.name, ifindex, Mode::Native)?,
            config::XdpMode::Generic => self.attach_as(&interface.name, ifindex, Mode::Generic)?,
            config::XdpMode::Auto => self.attach_auto(&interface.name, ifindex)?,
        };
        let (link, mode) = link;
        link.pin(&pin)
            .with_context(|| format!("cannot pin {}", pin.display()))?;
        Ok(Attached::Anew(mode))
    }

    fn replace(&self, pin: &Path) -> Result<()> {
        let link = XdpLink::try_from(FdLink::from(PinnedLink::from_pin(pin)?))?;
        let mut ebpf = lock(&self.ebpf)?;
        let program = program(&mut ebpf, Stage::Road.program(false))?;
        let id = program.attach_to_link(link)?;
        // The pin alone holds the link: a descriptor kept here would hold it after the pin is removed.
        drop(program.take_link(id)?);
        Ok(())
    }

    fn attach_auto(&self, name: &str, ifindex: u32) -> Result<(FdLink, Mode)> {
        match self.attach_as(name, ifindex, Mode::Native) {
            Ok(attached) => Ok(attached),
            Err(native) if errno(&native) == Some(Errno::BUSY) => Err(native),
            Err(native) => {
                let attached = self.attach_as(name, ifindex, Mode::Generic)?;
                tracing::warn!(
                    "{name}: generic XDP, several times slower than native, because {native:#}"
                );
                Ok(attached)
            }
        }
    }

    fn attach_as(&self, name: &str, ifindex: u32, mode: Mode) -> Result<(FdLink, Mode)> {
        let flag = match mode {
            Mode::Native => XdpMode::Driver,
            Mode::Generic => XdpMode::Skb,
        };
        let mut ebpf = lock(&self.ebpf)?;
        let program = program(&mut ebpf, Stage::Road.program(false))?;
        let id = program
            .attach_to_if_index(ifindex, flag)
            .map_err(|error| explain(name, mode, error))?;
        let link = program.take_link(id)?;
        let link = FdLink::try_from(link).map_err(|_| {
            anyhow!("{name}: the kernel gives no BPF link for XDP: it must be 5.9 or newer")
        })?;
        Ok((link, mode))
    }
}

/// Index of the interface with this name, in this network namespace.
///
/// # Errors
/// Where there is none.
pub fn ifindex(name: &str) -> Result<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    name_to_index(&any, name)
        .map_err(|_| anyhow!("there is no interface {name} here: `ip link` lists those there are"))
}

fn explain(name: &str, mode: Mode, error: ProgramError) -> anyhow::Error {
    let error = anyhow!(error);
    let mend = match errno(&error) {
        Some(Errno::BUSY | Errno::EXIST) => format!(
            "another XDP program is on {name}: `ip link show {name}` names it; remove it with the tool that put it there"
        ),
        Some(Errno::OPNOTSUPP) => bond::refusal(name)
            .unwrap_or_else(|| format!("the driver of {name} cannot do {mode} XDP")),
        Some(Errno::RANGE | Errno::INVAL) => {
            format!("{name} cannot do {mode} XDP as it is set up (MTU, receive buffers or queues)")
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            "this needs root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)".into()
        }
        _ => format!("{mode} XDP on {name} failed"),
    };
    error.context(mend)
}

fn errno(error: &anyhow::Error) -> Option<Errno> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>())
        .and_then(Errno::from_io_error)
}
