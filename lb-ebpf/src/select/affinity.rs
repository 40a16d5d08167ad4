//! Affinity: the new flows of one client go to the backend its last one went to, for a time.

use lb_common::{Address, Backend, Control, Flow, Handover, Service, flow::FlowKey, hash};

use super::{
    begin::newcomer,
    flow_table::{self, Place},
    schedule::NONE,
    tag,
};
use crate::tables::Tables;

/// The client's address, cut to as many leading bits as the service counts.
#[inline(always)]
pub fn prefix(service: &Service, client: &Address) -> Address {
    let is_v4 = client[0] == 0 && (u64::from_be(client[1]) >> 32) == 0xffff;
    let bits = if is_v4 {
        96 + u32::from(service.prefix[0])
    } else {
        u32::from(service.prefix[1])
    };
    [
        client[0] & leading(bits),
        client[1] & leading(bits.wrapping_sub(64)),
    ]
}

/// A word the way it stands in memory whose first `bits` bits are set; none where that is "negative", at most all.
#[inline(always)]
const fn leading(bits: u32) -> u64 {
    let mask = if bits >= 64 && bits < 256 {
        u64::MAX
    } else if bits == 0 || bits >= 256 {
        0
    } else {
        u64::MAX << (64 - bits)
    };
    mask.to_be()
}

/// The affinity of a client of a service.
pub struct Affinity {
    key: FlowKey,
    hash: u64,
    /// Where it stands, if it is remembered.
    place: Place,
    /// Its backend, [`NONE`] where there is none that may be given new flows.
    pub backend: u32,
}

/// Looks for the affinity of the client of a packet that begins a flow.
#[inline(always)]
pub fn find<T: Tables>(
    tables: &T,
    control: &Control,
    service: &Service,
    packet: &Handover,
) -> Affinity {
    let [high, low] = prefix(service, &packet.key.client);
    let key = FlowKey {
        client: [tables.opaque(high), tables.opaque(low)],
        vip: [0, u64::from(packet.service)],
        ports: 0,
        protocol: FlowKey::AFFINITY,
    };
    let hash = hash::flow(&key, control.flow_seed);
    let mut affinity = Affinity {
        key,
        hash,
        place: Place::NONE,
        backend: NONE,
    };
    if let Some(hit) = flow_table::find_forward(tables, control, hash, &key) {
        affinity.place = hit.place;
        let lasts = tables.now().wrapping_sub(hit.flow.seen) < service.affinity;
        if lasts
            && let Some(backend) = tables.backend(hit.tag.backend())
            && backend.incarnation == hit.tag.incarnation()
            && backend.is(Backend::ACCEPTS | Backend::REACHABLE)
        {
            affinity.backend = u32::from(hit.tag.backend());
        }
    }
    affinity.backend = tables.opaque(affinity.backend);
    affinity
}

impl Affinity {
    /// Remembers that the packet's flow went to its backend.
    #[inline(always)]
    pub fn keep<T: Tables>(
        &self,
        tables: &T,
        control: &Control,
        service: &Service,
        packet: &Handover,
    ) {
        let now = tables.now();
        if self.backend == u32::from(packet.backend) {
            tables.set_seen(self.place.bucket, self.place.way, now);
            return;
        }
        let Some(backend) = tables.backend(packet.backend) else {
            return;
        };
        let claimed = flow_table::claim(tables, control, service, self.hash, now, self.place);
        if claimed.is_some() {
            let flow = Flow {
                key: self.key,
                kind: Flow::AFFINITY,
                ..newcomer(packet, now)
            };
            let tag = tag(self.hash, packet.backend, &backend);
            flow_table::publish(tables, &claimed, &flow, tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use lb_common::address::{from_ip, to_ip};

    use super::*;

    #[test]
    fn a_prefix_keeps_its_leading_bits() {
        let cut = |ip: &str, v4, v6| {
            let service = Service {
                prefix: [v4, v6],
                ..Service::default()
            };
            to_ip(prefix(&service, &from_ip(ip.parse::<IpAddr>().unwrap()))).to_string()
        };
        assert_eq!(cut("198.51.100.77", 32, 128), "198.51.100.77");
        assert_eq!(cut("198.51.100.77", 24, 128), "198.51.100.0");
        assert_eq!(cut("198.51.100.77", 1, 128), "128.0.0.0");
        let v6 = "2001:db8:1234:5678:9abc:def0:1234:5678";
        assert_eq!(cut(v6, 32, 128), v6);
        assert_eq!(cut(v6, 32, 64), "2001:db8:1234:5678::");
        assert_eq!(cut(v6, 32, 56), "2001:db8:1234:5600::");
        assert_eq!(cut(v6, 32, 72), "2001:db8:1234:5678:9a00::");
        assert_eq!(cut(v6, 32, 1), "::");
    }
}
