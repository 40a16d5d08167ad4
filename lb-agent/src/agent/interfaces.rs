//! The interfaces the program is on.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    config::{Config, Interface, XdpMode},
    dataplane::{
        frames::Frames,
        kernel::{Attached, Kernel, Mode, ifindex},
        pins,
    },
    lock::Lock,
    neighbour::Nic,
    snapshot::Held,
};

#[derive(Debug)]
struct Claimed {
    ifindex: u32,
    /// What the kernel says of it since the program is there.
    nic: Option<Nic>,
    _lock: Lock,
}

/// Interfaces by name.
#[derive(Debug)]
pub struct Interfaces {
    pin_dir: PathBuf,
    held: BTreeMap<String, Claimed>,
}

impl Interfaces {
    /// Takes the locks of all interfaces; nothing is attached yet.
    ///
    /// # Errors
    /// Where one is missing or served by another agent.
    pub fn claim(config: &Config) -> Result<Self> {
        let mut interfaces = Self {
            pin_dir: config.agent.pin_dir.clone(),
            held: BTreeMap::new(),
        };
        for interface in &config.interfaces {
            interfaces.hold(interface)?;
        }
        Ok(interfaces)
    }

    fn hold(&mut self, interface: &Interface) -> Result<bool> {
        let ifindex = ifindex(&interface.name)?;
        if self
            .held
            .get(&interface.name)
            .is_some_and(|held| held.ifindex == ifindex)
        {
            return Ok(false);
        }
        let lock = Lock::interface(&interface.name, ifindex)?;
        self.held.insert(
            interface.name.clone(),
            Claimed {
                ifindex,
                nic: None,
                _lock: lock,
            },
        );
        Ok(true)
    }

    /// The frames that the configured interfaces need.
    ///
    /// # Errors
    /// Where netlink does not answer.
    pub async fn frames(&self, config: &Config) -> Result<Frames> {
        let mut mtus = Vec::new();
        for interface in &config.interfaces {
            let nic = look(&interface.name).await?;
            mtus.extend(nic.native_mtu(interface.xdp));
        }
        Ok(Frames::for_mtus(mtus))
    }

    /// Puts the program on every configured interface: anew, or in the place of an earlier agent's.
    ///
    /// # Errors
    /// At the first interface that cannot have it.
    pub async fn attach(&self, kernel: &Kernel, config: &Config) -> Result<()> {
        for interface in &config.interfaces {
            let attached = self.put(kernel, interface).await?;
            tell(&interface.name, attached);
        }
        Ok(())
    }

    /// Puts the program on interfaces that a new configuration adds: on all of them or on none.
    ///
    /// # Errors
    /// At the first that cannot have it.
    pub async fn add(&mut self, kernel: &Kernel, config: &Config) -> Result<Vec<String>> {
        let mut added = Vec::new();
        for interface in &config.interfaces {
            match self.add_one(kernel, interface).await {
                Ok(false) => {}
                Ok(true) => added.push(interface.name.as_str()),
                Err(error) => {
                    self.take_back(&added);
                    return Err(error);
                }
            }
        }
        Ok(added
            .iter()
            .map(|name| format!("interface {name}: attached"))
            .collect())
    }

    /// Whether it is new.
    async fn add_one(&mut self, kernel: &Kernel, interface: &Interface) -> Result<bool> {
        if !self.hold(interface)? {
            return Ok(false);
        }
        match self.put(kernel, interface).await {
            Ok(attached) => tell(&interface.name, attached),
            Err(error) => {
                self.held.remove(&interface.name);
                return Err(error);
            }
        }
        Ok(true)
    }

    async fn put(&self, kernel: &Kernel, interface: &Interface) -> Result<Attached> {
        let nic = look(&interface.name).await?;
        kernel.attach(&self.pin_dir, interface, &nic)
    }

    fn take_back(&mut self, names: &[&str]) {
        for name in names {
            match pins::remove_link(&self.pin_dir, name) {
                Ok(removed) => tracing::info!("removed {removed}"),
                Err(error) => tracing::error!("{error:#}"),
            }
            self.held.remove(*name);
        }
    }

    /// Puts the program on interfaces that were made anew under the same name since the last look, and gives what
    /// stands against it. An interface that is missing is waited for.
    pub async fn follow(&mut self, kernel: &Kernel, config: &Config) -> Vec<anyhow::Error> {
        let anew: Vec<&Interface> = config
            .interfaces
            .iter()
            .filter(|interface| {
                let held = self
                    .held
                    .get(&interface.name)
                    .map(|claimed| claimed.ifindex);
                ifindex(&interface.name).is_ok_and(|now| held != Some(now))
            })
            .collect();
        let mut problems = Vec::new();
        for interface in anew {
            let attached = match self.hold(interface) {
                Ok(_) => self.put(kernel, interface).await,
                Err(error) => Err(error),
            };
            match attached {
                Ok(attached) => tell(&interface.name, attached),
                Err(error) => {
                    self.held.remove(&interface.name);
                    problems.push(error);
                }
            }
        }
        problems
    }

    /// Takes the program off interfaces that are no longer configured, also an earlier agent's.
    ///
    /// # Errors
    /// Where a pin cannot be removed.
    pub fn remove_others(&mut self, config: &Config) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in pins::links(&self.pin_dir)? {
            if !config
                .interfaces
                .iter()
                .any(|interface| interface.name == name)
            {
                removed.push(format!(
                    "removed {}",
                    pins::remove_link(&self.pin_dir, &name)?
                ));
                self.held.remove(&name);
            }
        }
        Ok(removed)
    }

    /// What readers see.
    pub fn held(&self) -> Vec<Held> {
        self.held
            .iter()
            .map(|(name, claimed)| Held {
                name: name.clone(),
                ifindex: claimed.ifindex,
                nic: claimed.nic.clone(),
            })
            .collect()
    }

    /// Asks the kernel how the program runs on each interface, and says what an interface cannot do. Some drivers can
    /// more once they have a program. Warns where the mode is not as configured: the link of an earlier agent keeps it.
    ///
    /// # Errors
    /// Where netlink does not answer.
    pub async fn look_closer(&mut self, config: &Config) -> Result<()> {
        for interface in &config.interfaces {
            let Some(claimed) = self.held.get_mut(&interface.name) else {
                continue;
            };
            let nic = Nic::look(claimed.ifindex).await?;
            if claimed.nic.as_ref() != Some(&nic) {
                for lack in nic.lacks() {
                    tracing::info!("{} (driver {}): {lack}", interface.name, nic.driver);
                }
            }
            let mode = nic.mode.clone();
            claimed.nic = Some(nic);
            let wanted = match interface.xdp {
                XdpMode::Auto => continue,
                XdpMode::Native => Mode::Native.to_string(),
                XdpMode::Generic => Mode::Generic.to_string(),
            };
            if mode != wanted {
                tracing::warn!(
                    "{}: XDP stays {mode}, not {wanted}: `xdp` takes effect after `lb detach`",
                    interface.name
                );
            }
        }
        Ok(())
    }
}

async fn look(name: &str) -> Result<Nic> {
    Nic::look(ifindex(name)?)
        .await
        .with_context(|| format!("cannot look up {name}"))
}

fn tell(name: &str, attached: Attached) {
    match attached {
        Attached::Anew(mode) => tracing::info!("{name}: attached, {mode} XDP"),
        Attached::Replaced => tracing::info!("{name}: took the place of the earlier program"),
        Attached::Exchanged(mode) => tracing::info!(
            "{name}: attached, {mode} XDP, after the earlier program was taken off: the MTUs ask for the other object"
        ),
    }
}
