//! Pulling a node's cable and putting it back.

use std::process::Command;

use anyhow::Result;

use super::{Lab, Topology, tool};

/// The cable between a node and the rest of the lab.
#[derive(Clone, Debug)]
pub struct Link {
    netns: String,
    device: String,
}

impl Link {
    pub(super) fn of(lab: &Lab, node: &str) -> Self {
        // The end to take down is one that has no static routes: the kernel would forget them.
        let (node, device) = match (lab.layout().topology, node) {
            (Topology::OneArm, node) => ("wire", node),
            (Topology::TwoArm | Topology::Routed, "client") => ("lb", "eth0"),
            (Topology::Routed, "lb") => ("router", "eth0"),
            (Topology::TwoArm | Topology::Routed, node) => (node, "eth0"),
        };
        Self {
            netns: lab.namespace(node).name().to_owned(),
            device: device.to_owned(),
        }
    }

    /// Takes it down: both ends lose their carrier.
    ///
    /// # Errors
    /// No such node.
    pub fn down(&self) -> Result<()> {
        self.set("down")
    }

    /// Takes it up again.
    ///
    /// # Errors
    /// No such node.
    pub fn up(&self) -> Result<()> {
        self.set("up")
    }

    fn set(&self, state: &str) -> Result<()> {
        let Self { netns, device } = self;
        tool::run(Command::new("ip").args(["-n", netns, "link", "set", device, state])).map(drop)
    }
}
