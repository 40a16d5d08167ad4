//! A small world that both engines live in.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Result;
use lb_agent::{
    config::Config,
    dataplane::{
        Dataplane as _,
        frames::Frames,
        kernel::{Kernel, Loaded, Options},
        pins,
    },
    failover::State,
    health::Health,
    neighbour::{Hop, Link},
    observed::{live, observe},
    operator::{Key, Operator},
    reconcile::{
        apply::apply,
        plan::plan,
        target::{Inputs, Target, target},
    },
};
use lb_common::{Map, flow::WAYS, memory::HostMemory, memory::Memory as _};
use lb_ebpf::testing::HostTables;

use super::INGRESS;
use crate::frames;

/// Services the counters are read of.
pub(super) const SERVICES: u32 = 4;
/// Backends the counters are read of.
pub(super) const BACKENDS: u16 = 8;

/// The balancer's own addresses.
pub const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1));
/// The balancer's own IPv6 address.
pub const OWN6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1));

/// Interface of every second backend, and of answers to clients on VLAN 400.
const OTHER_INTERFACE: u32 = 7;

/// The configuration that stories and properties use.
pub fn test_config() -> Config {
    let text = r#"
        [[interface]]
        name = "lo"
        [[service]]
        name = "web"
        listen = ["192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp"]
        tcp_idle = "60s"
        [[service.backend]]
        name = "web-1"
        address = "10.0.1.11"
        weight = 100
        [[service.backend]]
        name = "web-2"
        address = "10.0.1.12"
        weight = 50
        [[service]]
        name = "dns"
        listen = ["192.0.2.53:53/udp", "[2001:db8::53]:53/udp"]
        udp_idle = "10s"
        [[service.backend]]
        name = "dns-1"
        address = "10.0.1.11"
        [[service.backend]]
        name = "dns-2"
        address = "10.0.1.12"
    "#;
    Config::parse(text, "test.toml").unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Both engines and what was put into their tables.
pub struct World {
    /// The engine in the kernel.
    pub kernel: Box<Kernel>,
    /// The engine on the host.
    pub host: HostTables,
    /// What the tables were made from.
    pub target: Target,
    /// Buckets of the flow table.
    pub buckets: u32,
    /// What the operator wants; [`World::reconcile`] does it.
    pub operator: Operator,
    /// What probes say; [`World::reconcile`] heeds it.
    pub health: BTreeMap<Key, Health>,
    failover: BTreeMap<String, State>,
    pin_dir: PathBuf,
}

impl World {
    /// A world of `config` whose flow table holds `flows` flows. Backends with an odd last address byte are reached by
    /// the interface frames come by, the others by another.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn new(config: &Config, flows: u32) -> Result<Self> {
        Self::seeded(config, flows, None)
    }

    /// The same, with what flows are hashed with.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn seeded(config: &Config, flows: u32, seed: Option<u64>) -> Result<Self> {
        Self::with(config, flows, seed, Frames::Page)
    }

    /// As [`World::new`], with the programs that take jumbo frames, on links that do.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn jumbo(config: &Config, flows: u32) -> Result<Self> {
        Self::with(config, flows, None, Frames::Jumbo)
    }

    fn with(config: &Config, flows: u32, seed: Option<u64>, frames: Frames) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let pin_dir = PathBuf::from(format!("/sys/fs/bpf/lb-engines-{}-{number}", process::id()));
        let Loaded { kernel, .. } = Kernel::load(Options {
            pin_dir: &pin_dir,
            frames,
            flows,
            packet_log: false,
            seed,
        })?;
        let buckets = u32::try_from(kernel.words(Map::FlowTags).len())? / WAYS;
        let mut world = Self {
            kernel: Box::new(kernel),
            host: HostTables {
                memory: HostMemory::new(buckets),
                ..HostTables::default()
            },
            target: Target::default(),
            buckets,
            operator: Operator::default(),
            health: BTreeMap::new(),
            failover: BTreeMap::new(),
            pin_dir,
        };
        world.reconcile(config)?;
        Ok(world)
    }

    /// Takes both engines to `config`, as an agent does that looked through the flow table.
    ///
    /// # Errors
    /// Where a table is too small.
    pub fn reconcile(&mut self, config: &Config) -> Result<()> {
        let observed = observe(&*self.kernel);
        let mtu = match self.kernel.frames() {
            Frames::Page => 1500,
            Frames::Jumbo => 9000,
        };
        let inputs = Inputs {
            config,
            operator: &self.operator,
            health: &self.health,
            hops: &hops(config, mtu),
            links: &links(mtu),
            nat_ports: 1024..=32_767,
            observed: &observed,
            live: Some(&live(&*self.kernel, self.kernel.now()?)),
            now_ms: 0,
        };
        let target = target(&inputs, &mut self.failover)?;
        apply(&*self.kernel, &plan(&observed, &target)?)?;
        self.target = target;
        self.mirror();
        Ok(())
    }

    /// Gives the host's tables what the kernel's have, and nothing at hand.
    pub fn mirror(&self) {
        self.host.cache.borrow_mut().clear();
        self.mirror_to(&self.host.memory);
    }

    /// Gives tables of this size what the kernel's have.
    pub fn mirror_to(&self, memory: &HostMemory) {
        for map in Map::ALL {
            for (to, from) in memory.words(map).iter().zip(self.kernel.words(map)) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// The same tables with programs of their own, as a second agent that adopts them would have.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn second_kernel(&self) -> Result<Kernel> {
        let options = Options {
            pin_dir: &self.pin_dir,
            frames: self.kernel.frames(),
            flows: self.buckets * WAYS,
            packet_log: false,
            seed: None,
        };
        Ok(Kernel::load(options)?.kernel)
    }

    /// Name of a backend.
    pub fn backend_name(&self, number: u16) -> String {
        self.target
            .views
            .iter()
            .flat_map(|view| &view.backends)
            .find(|backend| backend.number == number)
            .map_or_else(|| number.to_string(), |backend| backend.key.backend.clone())
    }

    /// Number of a backend.
    pub fn backend_number(&self, name: &str) -> u16 {
        self.target
            .views
            .iter()
            .flat_map(|view| &view.backends)
            .find(|backend| backend.key.backend == name)
            .map_or_else(|| panic!("no backend {name}"), |backend| backend.number)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = pins::remove_all(&self.pin_dir);
    }
}

/// Every backend on a link of this host.
fn hops(config: &Config, mtu: u16) -> BTreeMap<IpAddr, Result<Hop, String>> {
    let backends = config.services.iter().flat_map(|service| &service.backends);
    backends
        .map(|backend| {
            let last = match backend.address {
                IpAddr::V4(v4) => v4.octets()[3],
                IpAddr::V6(v6) => v6.octets()[15],
            };
            let hop = Hop {
                ifindex: if last % 2 == 1 {
                    INGRESS
                } else {
                    OTHER_INTERFACE
                },
                interface: "lo".into(),
                device: "lo".into(),
                tags: [0; 2],
                source: [0x02, 0, 0, 0, 1, 0x1b],
                mac: [0x02, 0, 0, 0, 0xbe, last],
                via: None,
                from: Some(match backend.address {
                    IpAddr::V4(_) => OWN,
                    IpAddr::V6(_) => OWN6,
                }),
                mtu,
            };
            (backend.address, Ok(hop))
        })
        .collect()
}

/// The interface that frames come by, without a VLAN, with one and with one inside another; and VLAN 400, as if that were
/// on a bond and the interface a part of it.
fn links(mtu: u16) -> [Link; 4] {
    [
        ([0, 0], INGRESS),
        ([100, 0], INGRESS),
        ([100, 200], INGRESS),
        ([400, 0], OTHER_INTERFACE),
    ]
    .map(|(tags, egress): ([u16; 2], u32)| Link {
        name: "lo".into(),
        ifindex: INGRESS,
        egress,
        device: "lo".into(),
        tags: tags.map(u16::to_be),
        mac: frames::OUR_MAC,
        mtu,
        addresses: vec![OWN, OWN6],
    })
}
