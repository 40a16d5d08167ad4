//! The network around this host: which interface, VLAN and MAC address lead to a backend, by the host's own routes and
//! neighbours, and which links frames may come by.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use lb_common::backend::VlanTags;
use rtnetlink::{Handle, MulticastGroup};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use self::{interface::place, links::links, route::Route, seen::Seen};

pub use self::{features::Features, links::Link, nic::Nic, ports::local_ports};

mod confirm;
mod entry;
mod features;
mod interface;
mod links;
mod nic;
mod ports;
mod route;
mod seen;

/// How packets reach a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Index of the interface frames leave by: of a VLAN interface the one below it that carries tagged frames.
    pub ifindex: u32,
    /// Name of the route's interface, e.g. `eth0.100`.
    pub interface: String,
    /// Name of the interface of `ifindex`, e.g. `eth0`; equal to `interface` without VLAN.
    pub device: String,
    /// VLAN identifiers frames leave with.
    pub tags: VlanTags,
    /// Own MAC address on the route's interface.
    pub source: [u8; 6],
    /// The next hop's MAC address.
    pub mac: [u8; 6],
    /// The router, if the backend is not on a segment of this host.
    pub via: Option<IpAddr>,
    /// The address this host would send from.
    pub from: Option<IpAddr>,
    /// Longest IP packet the way takes, in bytes.
    pub mtu: u16,
}

/// Next hops by backend address; the reason where there is none.
pub type Hops = BTreeMap<IpAddr, Result<Hop, String>>;

/// What of the network the data path must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// How packets reach the backends.
    pub hops: Hops,
    /// Links that are up, by index of the interface that carries their frames, then by VLAN identifiers.
    pub links: Vec<Link>,
}

/// Formats a MAC address.
pub fn mac(bytes: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = bytes;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Time between looks while nothing seems to change, so that a lost message is made good.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Time in which further messages are gathered after the first.
const GATHER: Duration = Duration::from_millis(5);
/// Time between requests to the kernel to confirm a neighbour that has become stale.
const CONFIRM: Duration = Duration::from_secs(10);

/// Keeps next hops and links fresh.
pub struct Resolver {
    handle: Handle,
    /// The last that were seen.
    links: Vec<Link>,
    asked: BTreeMap<(u32, IpAddr), Instant>,
}

impl Resolver {
    /// Opens netlink, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Where the kernel refuses the socket.
    pub fn open() -> Result<(Self, mpsc::UnboundedReceiver<()>)> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Neigh,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
        ];
        let (connection, handle, mut messages) =
            rtnetlink::new_multicast_connection(&groups).context("cannot open netlink")?;
        tokio::spawn(connection);
        let (changed, changes) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while messages.next().await.is_some() {
                if changed.send(()).is_err() {
                    break;
                }
            }
        });
        Ok((
            Self {
                handle,
                links: Vec::new(),
                asked: BTreeMap::new(),
            },
            changes,
        ))
    }

    /// Resolves `addresses` again whenever the network changes, and hands over what is new, until nobody listens.
    /// Of those that come by `doubts` it has the kernel make sure.
    pub async fn watch(
        mut self,
        mut changes: mpsc::UnboundedReceiver<()>,
        addresses: watch::Receiver<BTreeSet<IpAddr>>,
        mut doubts: mpsc::Receiver<IpAddr>,
        found: mpsc::Sender<Network>,
    ) {
        let mut wanted = addresses.clone();
        let mut last = None;
        loop {
            let addresses = wanted.borrow_and_update().clone();
            let network = self.resolve(&addresses).await;
            if last.as_ref() != Some(&network) {
                if found.send(network.clone()).await.is_err() {
                    return;
                }
                last = Some(network);
            }
            tokio::select! {
                change = changes.recv() => if change.is_none() { return },
                change = wanted.changed() => if change.is_err() { return },
                doubt = doubts.recv() => match doubt {
                    Some(ip) => self.make_sure(ip).await,
                    None => return,
                },
                () = sleep(LOOK_AGAIN) => {}
            }
            sleep(GATHER).await;
            while changes.try_recv().is_ok() {}
        }
    }

    /// Resolves until every address has a next hop, but not for longer than `patience`.
    pub async fn settle(&mut self, addresses: &BTreeSet<IpAddr>, patience: Duration) -> Network {
        let end = Instant::now() + patience;
        loop {
            let network = self.resolve(addresses).await;
            if network.hops.values().all(Result::is_ok) || Instant::now() >= end {
                return network;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn resolve(&mut self, addresses: &BTreeSet<IpAddr>) -> Network {
        let mut hops = Hops::new();
        match Seen::look(&self.handle).await {
            Ok(seen) => {
                self.links = links(&seen.interfaces, &seen.addresses);
                for ip in addresses {
                    hops.insert(*ip, self.hop(*ip, &seen).await);
                }
            }
            Err(error) => {
                let why = format!("netlink: {error:#}");
                hops.extend(addresses.iter().map(|ip| (*ip, Err(why.clone()))));
            }
        }
        Network {
            hops,
            links: self.links.clone(),
        }
    }

    async fn hop(&mut self, ip: IpAddr, seen: &Seen) -> Result<Hop, String> {
        let route = Route::ask(&self.handle, ip).await?;
        let place = place(&seen.interfaces, route.ifindex)?;
        let (interface, source) = seen
            .interfaces
            .get(&route.ifindex)
            .and_then(|interface| Some((interface, interface.mac?)))
            .ok_or_else(|| format!("its interface {} has gone", route.ifindex))?;
        let next = route.neighbour(ip);
        let neighbour = seen.neighbours.get(&(route.ifindex, next));
        let known = neighbour.and_then(|n| n.mac.filter(|_| n.usable));
        match neighbour {
            Some(neighbour) if neighbour.confirmed => {}
            Some(_) if known.is_some() => self.ask(route.ifindex, next, CONFIRM).await,
            _ => self.ask(route.ifindex, next, LOOK_AGAIN).await,
        }
        let mac = known.ok_or_else(|| {
            format!(
                "{}{next} does not answer {} on {}",
                if route.via.is_some() {
                    "its router "
                } else {
                    ""
                },
                asks(next),
                interface.name
            )
        })?;
        Ok(Hop {
            ifindex: place.ifindex,
            interface: interface.name.clone(),
            device: place.device,
            tags: place.tags,
            source,
            mac,
            via: route.via,
            from: route.from,
            mtu: route.mtu(interface.mtu),
        })
    }
}

fn asks(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "ARP",
        IpAddr::V6(_) => "neighbour discovery",
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", mac(self.mac), self.interface)
    }
}
