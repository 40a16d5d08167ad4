//! How packets reach their backends, and what each way asks of them.

use std::net::IpAddr;

/// How packets are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// Only the MAC addresses; the backend holds the VIP and answers the client directly.
    ///
    /// The frame would reach a next hop of either family, but a backend answers for a VIP only with that family
    /// configured. A service that listens in one family therefore needs backends addressed in that family; one that
    /// listens in both may use either, for a dual-stack server is one backend.
    Dsr,
    /// Destination and, unless [`NatSource::Client`] is asked for, source are translated; answers come back through this
    /// host.
    Nat,
    /// The packet travels in another IP packet (RFC 2003, RFC 2473, RFC 4213). The backend unpacks it, holds the VIP and
    /// answers the client directly.
    Ipip,
    /// As [`Forward::Ipip`], in a UDP datagram (Generic UDP Encapsulation), which routers and network cards spread by its
    /// ports.
    Gue,
}

impl Forward {
    /// Whether packets travel in other packets.
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Self::Ipip | Self::Gue)
    }
}

/// Which address the backends of a translated service see as the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatSource {
    /// For each backend the address that this host would use to reach it.
    Auto,
    /// The client's own. The backend's route to clients must lead through this host, and its family is that of every
    /// listener.
    Client,
    /// One of these addresses of this host: one to eight, none twice, at least one of each backend's family.
    List(Vec<IpAddr>),
}

/// How answers of translated flows leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The way the request came: to the MAC address that sent it.
    LastHop,
    /// By this host's routes to the client.
    Route,
}

/// The outer source address of tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelSource {
    /// For each backend the address that this host would use to reach it.
    Auto,
    /// These addresses of this host: at most one of a family, and one of each backend's.
    List(Vec<IpAddr>),
}

/// Largest TCP segment that SYNs may announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mss {
    /// What fits the way to the backend.
    Auto,
    /// So many bytes, 536..=65495.
    Bytes(u16),
}
