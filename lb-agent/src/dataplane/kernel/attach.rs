//! Putting the program on an interface, or in the place of the one an earlier agent put there.

use std::{
    fmt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use aya::programs::{
    ProgramError,
    links::{FdLink, PinnedLink},
    loaded_programs,
    xdp::{XdpLink, XdpMode},
};
use lb_common::Stage;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketType, netdevice::name_to_index, socket},
};

use super::{Kernel, bond, lock, program};
use crate::{
    config,
    dataplane::{
        frames::{Frames, PAGE_MTU},
        pins,
    },
    neighbour::{Features, Nic},
};

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
    /// An earlier agent's program took other [`Frames`]: it was taken off and this one put on. What came by in the
    /// moment between was the host's.
    Exchanged(Mode),
}

/// How long the kernel may take to let go of a program that was taken off.
const LETS_GO: Duration = Duration::from_secs(1);

impl Kernel {
    /// The frames that the programs take.
    pub const fn frames(&self) -> Frames {
        self.frames
    }

    /// Puts the program on `interface`, of which the kernel says `nic`, and pins its link in `dir`.
    ///
    /// # Errors
    /// Where there is no such interface, another program is on it, its driver cannot do the mode insisted on, or its
    /// frames need the other object.
    pub fn attach(&self, dir: &Path, interface: &config::Interface, nic: &Nic) -> Result<Attached> {
        let name = &interface.name;
        let ifindex = ifindex(name)?;
        let mtu = nic.native_mtu(interface.xdp);
        if mtu.is_some_and(|mtu| !self.frames.fit(mtu)) {
            bail!(
                "{name} has an MTU of {}, and the programs that run take frames up to {PAGE_MTU}: restart the agent, which then loads those for jumbo frames (flows stay), or lower the MTU",
                nic.mtu
            );
        }
        let pin = pins::link(dir, name);
        let mut exchanged = false;
        if pin.exists() {
            match self.replace(&pin) {
                Ok(true) => return Ok(Attached::Replaced),
                Ok(false) => exchanged = true,
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
        let wait = if exchanged { LETS_GO } else { Duration::ZERO };
        let attached = patient(wait, || match interface.xdp {
            config::XdpMode::Native => self.attach_as(name, ifindex, Mode::Native, nic),
            config::XdpMode::Generic => self.attach_as(name, ifindex, Mode::Generic, nic),
            config::XdpMode::Auto => self.attach_auto(name, ifindex, nic),
        });
        let (link, mode) = if exchanged {
            attached.with_context(|| {
                format!("the earlier program was taken off {name}, which has none now")
            })?
        } else {
            attached?
        };
        link.pin(&pin)
            .with_context(|| format!("cannot pin {}", pin.display()))?;
        Ok(if exchanged {
            Attached::Exchanged(mode)
        } else {
            Attached::Anew(mode)
        })
    }

    /// Puts the program in the place of the pinned link's; or, where that one takes other frames, takes it off and
    /// returns false. A driver looks at that only when it had no program before.
    fn replace(&self, pin: &Path) -> Result<bool> {
        let link = FdLink::from(PinnedLink::from_pin(pin)?);
        if !self.is_of_our_kind(link.info()?.program_id())? {
            std::fs::remove_file(pin)?;
            return Ok(false);
        }
        let link = XdpLink::try_from(link)?;
        let mut ebpf = lock(&self.ebpf)?;
        let program = program(&mut ebpf, Stage::Road.program(false))?;
        let id = program.attach_to_link(link)?;
        // The pin alone holds the link: a descriptor kept here would hold it after the pin is removed.
        drop(program.take_link(id)?);
        Ok(true)
    }

    /// Whether the program with this number takes the same frames: it then calls the next stages by the same map.
    fn is_of_our_kind(&self, program: u32) -> Result<bool> {
        // Programs that go meanwhile are errors here.
        let mut loaded = loaded_programs().filter_map(Result::ok);
        let Some(info) = loaded.find(|info| info.id() == program) else {
            return Ok(true);
        };
        let maps = info.map_ids()?.unwrap_or_default();
        Ok(maps.contains(&self.stages.id))
    }

    fn attach_auto(&self, name: &str, ifindex: u32, nic: &Nic) -> Result<(FdLink, Mode)> {
        match self.attach_as(name, ifindex, Mode::Native, nic) {
            Ok(attached) => Ok(attached),
            Err(native) if is_taken(errno(&native)) => Err(native),
            Err(native) => {
                let attached = self.attach_as(name, ifindex, Mode::Generic, nic)?;
                tracing::warn!(
                    "{name}: generic XDP, several times slower than native, because {native:#}"
                );
                Ok(attached)
            }
        }
    }

    fn attach_as(&self, name: &str, ifindex: u32, mode: Mode, nic: &Nic) -> Result<(FdLink, Mode)> {
        let flag = match mode {
            Mode::Native => XdpMode::Driver,
            Mode::Generic => XdpMode::Skb,
        };
        let mut ebpf = lock(&self.ebpf)?;
        let program = program(&mut ebpf, Stage::Road.program(false))?;
        let id = program
            .attach_to_if_index(ifindex, flag)
            .map_err(|error| explain(name, mode, nic, error))?;
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

/// Tries again as long as the interface is said to have a program, but not for longer than `wait`.
fn patient<T>(wait: Duration, attempt: impl Fn() -> Result<T>) -> Result<T> {
    let end = Instant::now() + wait;
    loop {
        match attempt() {
            Err(error) if is_taken(errno(&error)) && Instant::now() < end => {
                thread::sleep(Duration::from_millis(1));
            }
            ended => return ended,
        }
    }
}

fn is_taken(errno: Option<Errno>) -> bool {
    matches!(errno, Some(Errno::BUSY | Errno::EXIST))
}

fn explain(name: &str, mode: Mode, nic: &Nic, error: ProgramError) -> anyhow::Error {
    let error = anyhow!(error);
    let can = |features| nic.features.is_none_or(|all| all.has(features));
    let refuses = matches!(
        errno(&error),
        Some(Errno::RANGE | Errno::INVAL | Errno::OPNOTSUPP)
    );
    let mend = match errno(&error) {
        _ if refuses && mode == Mode::Native && nic.mtu > PAGE_MTU && can(Features::BASIC) => {
            format!(
                "{name} (driver {}) does not take native XDP with an MTU of {}{}: lower it (`ip link set {name} mtu {PAGE_MTU}`), or write `xdp = \"generic\"`",
                nic.driver,
                nic.mtu,
                if can(Features::RX_SG) {
                    ""
                } else {
                    ", for it takes no frames above one page"
                },
            )
        }
        Some(Errno::BUSY | Errno::EXIST) => format!(
            "another XDP program is on {name}: `ip link show {name}` names it; remove it with the tool that put it there"
        ),
        Some(Errno::OPNOTSUPP) => bond::refusal(name)
            .unwrap_or_else(|| format!("the driver of {name} cannot do {mode} XDP")),
        Some(Errno::RANGE | Errno::INVAL) => {
            format!(
                "{name} (driver {}, MTU {}) cannot do {mode} XDP as it is set up (MTU, receive buffers or queues)",
                nic.driver, nic.mtu
            )
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

#[cfg(test)]
mod tests {
    use std::io;

    use aya::sys::SyscallError;

    use super::*;

    const ALL: u64 = Features::BASIC | Features::RX_SG;

    fn said(mode: Mode, mtu: u32, features: Option<u64>, errno: Errno) -> String {
        let nic = Nic {
            driver: "foo".into(),
            mtu,
            mode: "none".into(),
            features: features.map(Features),
        };
        let error = SyscallError {
            call: "bpf_link_create",
            io_error: io::Error::from_raw_os_error(errno.raw_os_error()),
        };
        explain("eth0", mode, &nic, error.into()).to_string()
    }

    #[test]
    fn a_refused_mtu_names_interface_driver_mtu_and_mend() {
        for errno in [Errno::RANGE, Errno::INVAL, Errno::OPNOTSUPP] {
            for features in [None, Some(Features::BASIC), Some(ALL)] {
                let said = said(Mode::Native, 9000, features, errno);
                for part in ["eth0 (driver foo)", "an MTU of 9000", "mtu 3498", "generic"] {
                    assert!(said.contains(part), "{said}");
                }
                let no_pieces = features == Some(Features::BASIC);
                assert_eq!(
                    said.contains("no frames above one page"),
                    no_pieces,
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_the_mtu_is_not_called_so() {
        for (mode, mtu, features, errno, expected) in [
            (
                Mode::Native,
                9000,
                Some(0),
                Errno::OPNOTSUPP,
                "the driver of eth0 cannot do native XDP",
            ),
            (
                Mode::Native,
                1500,
                None,
                Errno::OPNOTSUPP,
                "the driver of eth0 cannot do native XDP",
            ),
            (
                Mode::Native,
                1500,
                Some(ALL),
                Errno::INVAL,
                "eth0 (driver foo, MTU 1500) cannot do native XDP as it is set up",
            ),
            (
                Mode::Native,
                9000,
                Some(ALL),
                Errno::BUSY,
                "another XDP program is on eth0",
            ),
            (
                Mode::Generic,
                9000,
                Some(ALL),
                Errno::INVAL,
                "cannot do generic XDP as it is set up",
            ),
        ] {
            let said = said(mode, mtu, features, errno);
            assert!(said.contains(expected), "{said}");
        }
    }
}
