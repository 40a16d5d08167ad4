//! What the kernel says of the network at one moment.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Result;
use futures::TryStreamExt as _;
use rtnetlink::Handle;

use super::{
    entry::Neighbour,
    interface::{Interface, Interfaces},
    links::{Addresses, own},
};

/// Interfaces, addresses and neighbours.
pub(super) struct Seen {
    /// Interfaces by index.
    pub(super) interfaces: Interfaces,
    /// Own addresses by index of the interface.
    pub(super) addresses: Addresses,
    /// Neighbours by index of the interface and address.
    pub(super) neighbours: Neighbours,
}

/// Neighbours by index of the interface and address.
pub(super) type Neighbours = BTreeMap<(u32, IpAddr), Neighbour>;

impl Seen {
    /// Looks at everything.
    ///
    /// # Errors
    /// Where netlink does not answer.
    pub(super) async fn look(handle: &Handle) -> Result<Self> {
        let mut interfaces = Interfaces::new();
        let mut dump = handle.link().get().execute();
        while let Some(message) = dump.try_next().await? {
            interfaces.insert(message.header.index, Interface::from(&message));
        }
        let mut addresses = Addresses::new();
        let mut dump = handle.address().get().execute();
        while let Some(message) = dump.try_next().await? {
            if let Some((index, ip)) = own(&message) {
                addresses.entry(index).or_default().insert(ip);
            }
        }
        Ok(Self {
            interfaces,
            addresses,
            neighbours: neighbours(handle).await?,
        })
    }
}

/// Looks at the neighbours alone.
///
/// # Errors
/// Where netlink does not answer.
pub(super) async fn neighbours(handle: &Handle) -> Result<Neighbours> {
    let mut neighbours = Neighbours::new();
    let mut dump = handle.neighbours().get().execute();
    while let Some(message) = dump.try_next().await? {
        if let Some((ip, neighbour)) = Neighbour::from(&message) {
            neighbours.insert((message.header.ifindex, ip), neighbour);
        }
    }
    Ok(neighbours)
}
