//! Questions to neighbours, which the kernel asks for us.

use std::{net::IpAddr, time::Duration};

use rtnetlink::packet_route::neighbour::{NeighbourFlags, NeighbourState};
use tokio::time::Instant;

use super::{CONFIRM, Resolver, route::Route, seen::neighbours};

impl Resolver {
    /// Has the kernel resolve or confirm a neighbour (NTF_USE, as if a packet had been sent), not too often.
    pub(super) async fn ask(&mut self, ifindex: u32, ip: IpAddr, patience: Duration) {
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
    pub(super) async fn make_sure(&self, ip: IpAddr) {
        let (Ok(route), Ok(neighbours)) = (
            Route::ask(&self.handle, ip).await,
            neighbours(&self.handle).await,
        ) else {
            return;
        };
        let (ifindex, next) = (route.ifindex, route.neighbour(ip));
        let neighbour = neighbours.get(&(ifindex, next));
        let Some(mac) = neighbour.filter(|n| n.believed).and_then(|n| n.mac) else {
            return;
        };
        let asked = self
            .handle
            .neighbours()
            .add(ifindex, next)
            .link_layer_address(&mac)
            .state(NeighbourState::Probe)
            .replace()
            .execute()
            .await;
        if let Err(error) = asked {
            tracing::debug!("cannot make sure of neighbour {next} on interface {ifindex}: {error}");
        }
    }
}
