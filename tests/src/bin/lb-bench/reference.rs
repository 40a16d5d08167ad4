//! The classic design, configured as lb is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, PerCpuArray},
    programs::ProgramFd,
};
use lb_agent::{
    config::{Backend, Config, Forward},
    dataplane::pins,
};
use lb_common::TCP;
use lb_tests::engines::OWN;

use super::stand;

/// Programs and maps of the reference.
pub struct Reference {
    ebpf: Ebpf,
    counters: PerCpuArray<MapData, [u64; 2]>,
    services: u32,
}

/// Slots of a service's ring at least, so that its backends have almost equal shares.
const SLOTS: usize = 256;
/// Ways of forwarding, as the program knows them.
const DIRECT: u32 = 0;
const NAT: u32 = 1;
const IPIP: u32 = 2;
/// Addresses that translated flows come from.
const SOURCES: u8 = 8;

impl Reference {
    /// Loads it with the IPv4 services of `config` and room for `flows` flows.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn new(config: &Config, flows: u32) -> Result<Self> {
        let bytes = stand::object()?;
        let mut loader = EbpfLoader::new();
        // The object's lb maps are nobody's here.
        for map in pins::maps() {
            loader.map_max_entries(map, 1);
        }
        for map in ["REF_FLOWS", "REF_REPLIES"] {
            loader.map_max_entries(map, flows);
        }
        let mut ebpf = loader.load(&bytes)?;
        for name in ["lb_bench_reference", "lb_bench_forget"] {
            stand::xdp_mut(&mut ebpf, name)?.load()?;
        }
        let services = fill(&mut ebpf, config)?;
        let counters = stand::take(&mut ebpf, "REF_COUNTERS")?.try_into()?;
        Ok(Self {
            ebpf,
            counters,
            services,
        })
    }

    /// The program that forwards.
    ///
    /// # Errors
    /// Where no more file descriptors are to be had.
    pub fn program_fd(&self) -> Result<ProgramFd> {
        self.fd("lb_bench_reference")
    }

    /// The program that forgets a packet's flow.
    ///
    /// # Errors
    /// Where no more file descriptors are to be had.
    pub fn forget_fd(&self) -> Result<ProgramFd> {
        self.fd("lb_bench_forget")
    }

    /// Packets counted so far, of all services.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    pub fn counted(&self) -> Result<u64> {
        let mut sum = 0;
        for service in 0..self.services {
            let values = self.counters.get(&service, 0)?;
            sum += values.iter().map(|[packets, _]| packets).sum::<u64>();
        }
        Ok(sum)
    }

    fn fd(&self, name: &str) -> Result<ProgramFd> {
        Ok(stand::xdp(&self.ebpf, name)?.fd()?.try_clone()?)
    }
}

/// Writes the maps, and says how many services there are.
fn fill(ebpf: &mut Ebpf, config: &Config) -> Result<u32> {
    let mut services: HashMap<_, [u32; 2], [u32; 3]> =
        stand::take(ebpf, "REF_SERVICES")?.try_into()?;
    let mut ring: Array<_, u32> = stand::take(ebpf, "REF_RING")?.try_into()?;
    let mut backends: Array<_, [u32; 8]> = stand::take(ebpf, "REF_BACKENDS")?.try_into()?;
    let mut sources: Array<_, u32> = stand::take(ebpf, "REF_SOURCES")?.try_into()?;
    for index in 0..SOURCES {
        sources.set(
            u32::from(index),
            word(Ipv4Addr::new(10, 0, 1, 1 + index)),
            0,
        )?;
    }
    let (mut number, mut next_slot, mut next_backend) = (0, 0, 0);
    for service in &config.services {
        let first = next_backend;
        for backend in &service.backends {
            if let Some(record) = record(service.forward, backend) {
                backends.set(next_backend, record, 0)?;
                next_backend += 1;
            }
        }
        let many = next_backend - first;
        if many == 0 {
            continue;
        }
        let slots = SLOTS.max((many as usize).next_power_of_two()) as u32;
        for slot in 0..slots {
            ring.set(next_slot + slot, first + slot % many, 0)?;
        }
        for listen in &service.listen {
            if let Some(SocketAddr::V4(vip)) = listen.single() {
                let port = u32::from(vip.port().to_be()) | u32::from(TCP) << 16;
                services.insert([word(*vip.ip()), port], [number, next_slot, slots], 0)?;
            }
        }
        next_slot += slots;
        number += 1;
    }
    Ok(number)
}

/// What the program knows of a backend; none of IPv6.
fn record(forward: Forward, backend: &Backend) -> Option<[u32; 8]> {
    let (IpAddr::V4(address), IpAddr::V4(own)) = (backend.address, OWN) else {
        return None;
    };
    let forward = match forward {
        Forward::Dsr => DIRECT,
        Forward::Nat => NAT,
        Forward::Ipip => IPIP,
        Forward::Gue => return None,
    };
    let [_, _, _, last] = address.octets();
    let [a, b, c] =
        lb_common::Backend::ethernet([0x02, 0, 0, 0, 0xbe, last], [0x02, 0, 0, 0, 1, 0x1b]);
    let port = u32::from(backend.port.unwrap_or_default().to_be());
    Some([forward, a, b, c, word(address), port, word(own), 0])
}

/// An address the way it stands in memory.
const fn word(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

#[cfg(test)]
mod tests;
