//! Next hops: which interface and MAC address lead to a backend, by the host's own routes and neighbours.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use rtnetlink::{
    Handle, MulticastGroup, RouteMessageBuilder,
    packet_route::{
        link::{LinkAttribute, LinkXdp, XdpAttached},
        neighbour::{
            NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
        },
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

/// How packets reach a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Index of the interface they leave by.
    pub ifindex: u32,
    /// Its name.
    pub interface: String,
    /// Its MAC address.
    pub source: [u8; 6],
    /// The next hop's MAC address.
    pub mac: [u8; 6],
}

/// Next hops by backend address; the reason where there is none.
pub type Hops = BTreeMap<IpAddr, Result<Hop, String>>;

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

/// Keeps next hops fresh.
pub struct Resolver {
    handle: Handle,
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
        found: mpsc::Sender<Hops>,
    ) {
        let mut wanted = addresses.clone();
        let mut last = None;
        loop {
            let addresses = wanted.borrow_and_update().clone();
            let hops = self.resolve(&addresses).await;
            if last.as_ref() != Some(&hops) {
                if found.send(hops.clone()).await.is_err() {
                    return;
                }
                last = Some(hops);
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
    pub async fn settle(&mut self, addresses: &BTreeSet<IpAddr>, patience: Duration) -> Hops {
        let end = Instant::now() + patience;
        loop {
            let hops = self.resolve(addresses).await;
            if hops.values().all(Result::is_ok) || Instant::now() >= end {
                return hops;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn resolve(&mut self, addresses: &BTreeSet<IpAddr>) -> Hops {
        let (links, neighbours) = match self.dump().await {
            Ok(dumped) => dumped,
            Err(error) => {
                let why = format!("netlink: {error:#}");
                return addresses.iter().map(|ip| (*ip, Err(why.clone()))).collect();
            }
        };
        let mut hops = Hops::new();
        for ip in addresses {
            let hop = self.hop(*ip, &links, &neighbours).await;
            hops.insert(*ip, hop);
        }
        hops
    }

    async fn hop(
        &mut self,
        ip: IpAddr,
        links: &BTreeMap<u32, Link>,
        neighbours: &BTreeMap<(u32, IpAddr), Neighbour>,
    ) -> Result<Hop, String> {
        let (ifindex, via) = self.route(ip).await?;
        if via != ip {
            // A router would send the VIP back here, again and again.
            return Err(format!(
                "it is behind the router {via}: direct return needs it on a segment of this host"
            ));
        }
        let link = links
            .get(&ifindex)
            .ok_or_else(|| format!("its interface {ifindex} has gone"))?;
        let Some(source) = link.mac else {
            return Err(format!(
                "{} has no MAC address: direct return needs Ethernet",
                link.name
            ));
        };
        if !link.up {
            return Err(format!("{} is down", link.name));
        }
        let neighbour = neighbours.get(&(ifindex, via));
        let known = neighbour.and_then(|n| n.mac.filter(|_| n.usable));
        match neighbour {
            Some(neighbour) if neighbour.confirmed => {}
            Some(_) if known.is_some() => self.ask(ifindex, via, CONFIRM).await,
            _ => self.ask(ifindex, via, LOOK_AGAIN).await,
        }
        match known {
            Some(mac) => Ok(Hop {
                ifindex,
                interface: link.name.clone(),
                source,
                mac,
            }),
            None => Err(format!(
                "{via} does not answer {} on {}",
                asks(via),
                link.name
            )),
        }
    }

    /// Interface and next hop of the route to `ip`.
    async fn route(&self, ip: IpAddr) -> Result<(u32, IpAddr), String> {
        let message = match ip {
            IpAddr::V4(v4) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(v4, 32)
                .build(),
            IpAddr::V6(v6) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(v6, 128)
                .build(),
        };
        let routes = self.handle.route().get(message).execute();
        let mut routes = std::pin::pin!(routes);
        let answer = timeout(LOOK_AGAIN, routes.try_next()).await;
        let route: RouteMessage = match answer {
            Ok(Ok(Some(route))) => route,
            Ok(Err(error)) => return Err(format!("no route to {ip} ({error})")),
            Ok(Ok(None)) | Err(_) => return Err(format!("no route to {ip}")),
        };
        if route.header.kind == RouteType::Local {
            return Err(format!(
                "{ip} is this host's own address: a backend is another host"
            ));
        }
        let mut ifindex = None;
        let mut via = ip;
        for attribute in route.attributes {
            match attribute {
                RouteAttribute::Oif(index) => ifindex = Some(index),
                RouteAttribute::Gateway(RouteAddress::Inet(v4)) => via = v4.into(),
                RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => via = v6.into(),
                RouteAttribute::Via(RouteVia::Inet6(v6)) => via = v6.into(),
                RouteAttribute::Via(RouteVia::Inet(v4)) => via = v4.into(),
                _ => {}
            }
        }
        ifindex
            .map(|index| (index, via))
            .ok_or_else(|| format!("the route to {ip} names no interface"))
    }

    /// Has the kernel resolve or confirm a neighbour (NTF_USE, as if a packet had been sent), not too often.
    async fn ask(&mut self, ifindex: u32, ip: IpAddr, patience: Duration) {
        let now = Instant::now();
        self.asked.retain(|_, at| now.duration_since(*at) < CONFIRM);
        if self
            .asked
            .get(&(ifindex, ip))
            .is_some_and(|at| now.duration_since(*at) < patience)
        {
            return;
        }
        self.asked.insert((ifindex, ip), now);
        let asked = self
            .handle
            .neighbours()
            .add(ifindex, ip)
            .state(NeighbourState::None)
            .flags(NeighbourFlags::Use)
            .replace()
            .execute()
            .await;
        if let Err(error) = asked {
            tracing::debug!("cannot ask for neighbour {ip} on interface {ifindex}: {error}");
        }
    }

    /// Has the kernel ask now whether a neighbour is still where it believes it to be (NUD_PROBE): a backend that has
    /// become silent may have another card, and the kernel alone would take most of a minute to notice. What is
    /// known stays in use until it has asked three times, a second apart.
    async fn make_sure(&self, ip: IpAddr) {
        let (Ok((ifindex, via)), Ok((_, neighbours))) = (self.route(ip).await, self.dump().await)
        else {
            return;
        };
        let neighbour = neighbours.get(&(ifindex, via));
        let Some(mac) = neighbour.filter(|n| n.believed).and_then(|n| n.mac) else {
            return;
        };
        let asked = self
            .handle
            .neighbours()
            .add(ifindex, via)
            .link_layer_address(&mac)
            .state(NeighbourState::Probe)
            .replace()
            .execute()
            .await;
        if let Err(error) = asked {
            tracing::debug!("cannot make sure of neighbour {via} on interface {ifindex}: {error}");
        }
    }

    async fn dump(&self) -> Result<(BTreeMap<u32, Link>, BTreeMap<(u32, IpAddr), Neighbour>)> {
        let mut links = BTreeMap::new();
        let mut dump = self.handle.link().get().execute();
        while let Some(message) = dump.try_next().await? {
            links.insert(message.header.index, Link::from(&message));
        }
        let mut neighbours = BTreeMap::new();
        let mut dump = self.handle.neighbours().get().execute();
        while let Some(message) = dump.try_next().await? {
            if let Some((ip, neighbour)) = Neighbour::from(&message) {
                neighbours.insert((message.header.ifindex, ip), neighbour);
            }
        }
        Ok((links, neighbours))
    }
}

/// How an XDP program runs on an interface: `native`, `generic`, ... or `none`.
///
/// # Errors
/// Where netlink does not answer.
pub async fn xdp_mode(ifindex: u32) -> Result<String> {
    let (connection, handle, _) = rtnetlink::new_connection().context("cannot open netlink")?;
    let driver = tokio::spawn(connection);
    let mut links = handle.link().get().match_index(ifindex).execute();
    let link = links.try_next().await;
    driver.abort();
    let link = link?.context("the interface has gone")?;
    let mode = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Xdp(parts) => parts.iter().find_map(|part| match part {
                LinkXdp::Attached(XdpAttached::Driver) => Some("native"),
                LinkXdp::Attached(XdpAttached::SocketBuffer) => Some("generic"),
                LinkXdp::Attached(XdpAttached::Hardware) => Some("hardware"),
                LinkXdp::Attached(XdpAttached::Multiple) => Some("multiple"),
                _ => None,
            }),
            _ => None,
        });
    Ok(mode.unwrap_or("none").into())
}

fn asks(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "ARP",
        IpAddr::V6(_) => "neighbour discovery",
    }
}

struct Link {
    name: String,
    mac: Option<[u8; 6]>,
    up: bool,
}

impl From<&rtnetlink::packet_route::link::LinkMessage> for Link {
    fn from(message: &rtnetlink::packet_route::link::LinkMessage) -> Self {
        use rtnetlink::packet_route::link::{LinkFlags, State};
        let mut link = Self {
            name: message.header.index.to_string(),
            mac: None,
            up: message
                .header
                .flags
                .contains(LinkFlags::Up | LinkFlags::Running),
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Address(address) => link.mac = address.as_slice().try_into().ok(),
                LinkAttribute::OperState(State::Down | State::LowerLayerDown) => link.up = false,
                _ => {}
            }
        }
        link
    }
}

struct Neighbour {
    mac: Option<[u8; 6]>,
    /// The kernel would send to it.
    usable: bool,
    /// The kernel knows that it is there.
    confirmed: bool,
    /// The kernel has learnt it and is not asking right now.
    believed: bool,
}

impl Neighbour {
    fn from(message: &NeighbourMessage) -> Option<(IpAddr, Self)> {
        let mut ip = None;
        let mut mac = None;
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                    ip = Some(IpAddr::from(*v4))
                }
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                    ip = Some(IpAddr::from(*v6))
                }
                NeighbourAttribute::LinkLayerAddress(address) => {
                    mac = address.as_slice().try_into().ok()
                }
                _ => {}
            }
        }
        let state = message.header.state;
        let confirmed = matches!(
            state,
            NeighbourState::Reachable | NeighbourState::Permanent | NeighbourState::Noarp
        );
        let usable = confirmed
            || matches!(
                state,
                NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe
            );
        let believed = matches!(
            state,
            NeighbourState::Reachable | NeighbourState::Stale | NeighbourState::Delay
        );
        Some((
            ip?,
            Self {
                mac,
                usable,
                confirmed,
                believed,
            },
        ))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", mac(self.mac), self.interface)
    }
}
