//! What the kernel knows of a neighbour.

use std::net::IpAddr;

use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

/// One entry of the kernel's table of neighbours.
pub(super) struct Neighbour {
    /// Its MAC address, once known.
    pub(super) mac: Option<[u8; 6]>,
    /// The kernel would send to it.
    pub(super) usable: bool,
    /// The kernel knows that it is there.
    pub(super) confirmed: bool,
    /// The kernel has learnt it and is not asking right now.
    pub(super) believed: bool,
}

impl Neighbour {
    /// The neighbour of a message and its address; none where the message names no address.
    pub(super) fn from(message: &NeighbourMessage) -> Option<(IpAddr, Self)> {
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
