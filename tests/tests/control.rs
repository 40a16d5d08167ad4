//! The control road: whatever the agent is told, no packet ever sees a half state. Every plan is applied one action at
//! a time to maps in memory, and after each action the maps must be fit for packets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{collections::BTreeMap, net::IpAddr};

use lb_agent::{
    api::model::Intent,
    config::Config,
    dataplane::fake::Fake,
    failover::State,
    health::Health,
    neighbour::Hop,
    observed::{Live, Observed, observe},
    operator::{Key, Operator},
    reconcile::{
        apply::apply,
        plan::{Action, plan},
        target::{Inputs, Target, target},
    },
};
use lb_common::{
    ABI_VERSION, Backend, Control, Listener, Map, Service, memory::Memory as _, memory::write,
};
use proptest::{collection::vec, prelude::*};

/// What the agent is told at one moment.
#[derive(Clone, Debug)]
struct Told {
    services: Vec<ToldService>,
    has_flows: bool,
}

#[derive(Clone, Debug)]
struct ToldService {
    name: usize,
    ports: u8,
    backends: Vec<ToldBackend>,
}

#[derive(Clone, Debug)]
struct ToldBackend {
    name: usize,
    moved: bool,
    weight: u16,
    backup: bool,
    health: Health,
    intent: Intent,
    hop: Option<u8>,
}

fn told() -> impl Strategy<Value = Told> {
    let health =
        prop_oneof![3 => Just(Health::Up), 1 => Just(Health::Down), 1 => Just(Health::Unknown)];
    let intent =
        prop_oneof![4 => Just(Intent::Ready), 1 => Just(Intent::Drain), 1 => Just(Intent::Maint)];
    let backend = (
        0..4_usize,
        any::<bool>(),
        0..6_u16,
        any::<bool>(),
        health,
        intent,
        proptest::option::weighted(0.8, 0..3_u8),
    )
        .prop_map(
            |(name, moved, weight, backup, health, intent, hop)| ToldBackend {
                name,
                moved,
                weight,
                backup,
                health,
                intent,
                hop,
            },
        );
    let service =
        (0..3_usize, 1..4_u8, vec(backend, 1..5)).prop_map(|(name, ports, mut backends)| {
            backends.sort_by_key(|backend| backend.name);
            backends.dedup_by_key(|backend| backend.name);
            if let Some(first) = backends.first_mut() {
                first.backup = false;
            }
            ToldService {
                name,
                ports,
                backends,
            }
        });
    (vec(service, 0..4), any::<bool>()).prop_map(|(mut services, has_flows)| {
        services.sort_by_key(|service| service.name);
        services.dedup_by_key(|service| service.name);
        Told {
            services,
            has_flows,
        }
    })
}

fn address(service: usize, backend: &ToldBackend) -> IpAddr {
    let host = 10 + backend.name as u8 + if backend.moved { 100 } else { 0 };
    IpAddr::from([10, 0, service as u8, host])
}

fn config(told: &Told) -> Config {
    let mut text = String::from("[[interface]]\nname = \"eth0\"\n");
    for service in &told.services {
        let listen: Vec<String> = (0..service.ports)
            .map(|port| format!("\"192.0.2.{}:{}/tcp\"", service.name + 1, 80 + port))
            .collect();
        text += &format!(
            "[[service]]\nname = \"s{}\"\nlisten = [{}]\n",
            service.name,
            listen.join(", ")
        );
        for backend in &service.backends {
            text += &format!(
                "[[service.backend]]\nname = \"b{}\"\naddress = \"{}\"\nweight = {}\nbackup = {}\n",
                backend.name,
                address(service.name, backend),
                backend.weight,
                backend.backup
            );
        }
    }
    Config::parse(&text, "told.toml").unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

/// The agent's core around maps in memory.
struct Core {
    maps: Fake,
    failover: BTreeMap<String, State>,
}

impl Core {
    fn new() -> Self {
        let maps = Fake::default();
        let control = Control {
            abi_version: ABI_VERSION,
            hz: 250,
            ..Control::default()
        };
        write(maps.words(Map::Control), 0, &control);
        Self {
            maps,
            failover: BTreeMap::new(),
        }
    }

    fn target(&mut self, told: &Told, observed: &Observed) -> Target {
        let config = config(told);
        let mut operator = Operator::default();
        let mut health = BTreeMap::new();
        let mut hops = BTreeMap::new();
        for service in &told.services {
            for backend in &service.backends {
                let key = Key::new(format!("s{}", service.name), format!("b{}", backend.name));
                operator.set_intent(key.clone(), backend.intent);
                health.insert(key, backend.health);
                let hop = backend.hop.map(|last| Hop {
                    ifindex: 2,
                    interface: "eth0".into(),
                    device: "eth0".into(),
                    tags: [0; 2],
                    source: [2, 0, 0, 0, 0, 1],
                    mac: [2, 0, 0, 0, 1, last],
                    via: None,
                    from: None,
                    mtu: 1500,
                });
                hops.insert(
                    address(service.name, backend),
                    hop.ok_or_else(|| "unplugged".to_owned()),
                );
            }
        }
        let nothing = Live::default();
        let inputs = Inputs {
            config: &config,
            operator: &operator,
            health: &health,
            hops: &hops,
            links: &[],
            nat_ports: 1024..=32_767,
            observed,
            live: if told.has_flows { None } else { Some(&nothing) },
            now_ms: 0,
        };
        target(&inputs, &mut self.failover).unwrap()
    }

    /// Goes to what is told, one action at a time, and checks every state on the way.
    fn go(&mut self, told: &Told) -> Result<(), TestCaseError> {
        let before = observe(&self.maps);
        let target = self.target(told, &before);
        let actions = plan(&before, &target).unwrap();
        let mut waited = false;
        for action in &actions {
            self.check_action(action, waited)?;
            waited |= matches!(action, Action::Grace);
            apply(&self.maps, std::slice::from_ref(action)).unwrap();
            check_state(&before, &observe(&self.maps), &target)?;
        }
        let after = observe(&self.maps);
        prop_assert_eq!(
            plan(&after, &target).unwrap(),
            vec![],
            "a second plan finds something to do"
        );
        Ok(())
    }

    /// What a packet under way may still read is not overwritten.
    fn check_action(&self, action: &Action, waited: bool) -> Result<(), TestCaseError> {
        let now = observe(&self.maps);
        match action {
            Action::Ring(base, slots) => {
                for service in now.services.values() {
                    let ring = service.record.rings[(service.record.side & 1) as usize];
                    let apart = ring.len == 0
                        || base + slots.len() as u32 <= ring.base
                        || ring.base + ring.len <= *base;
                    prop_assert!(apart, "a ring in force is overwritten");
                }
                prop_assert!(!waited);
            }
            Action::Listeners(side, _) => prop_assert_ne!(*side, now.control.listener_side & 1),
            Action::Backend(number, record, _) => {
                if let Some((old, _)) = now.backends.get(number) {
                    let withdraws = old.flags & !record.flags != 0;
                    prop_assert!(
                        waited || !withdraws,
                        "a permission is withdrawn under packets' feet"
                    );
                    let same = old.incarnation == record.incarnation;
                    prop_assert!(
                        same || !record.is(Backend::USED),
                        "a number in use changes hands"
                    );
                }
            }
            Action::Service(number, record) if record.flags & Service::USED == 0 => {
                prop_assert!(waited);
                prop_assert!(
                    now.listeners
                        .iter()
                        .all(|listener| listener.service != *number)
                );
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_state(before: &Observed, now: &Observed, target: &Target) -> Result<(), TestCaseError> {
    for listener in &now.listeners {
        prop_assert!(
            now.services.contains_key(&listener.service),
            "a listener leads nowhere"
        );
    }
    for (number, service) in &now.services {
        for slot in &service.slots {
            let (record, _) = now
                .backends
                .get(slot)
                .expect("a slot names a backend that is there");
            prop_assert!(
                record.is(Backend::ACCEPTS | Backend::REACHABLE),
                "a slot names a backend that may not"
            );
            prop_assert_eq!(u32::from(record.service), *number);
        }
        let old = before
            .services
            .get(number)
            .map(|service| service.slots.is_empty());
        let new = target
            .services
            .get(number)
            .map(|service| service.slots.is_empty());
        if old == Some(false) && new == Some(false) {
            prop_assert!(
                !service.slots.is_empty(),
                "a service is without backend for a moment"
            );
        }
    }
    for (number, (old, _)) in &before.backends {
        let goes_on = target
            .backends
            .get(number)
            .is_some_and(|(new, _)| new.incarnation == old.incarnation && new.is(Backend::SERVES));
        if old.is(Backend::SERVES) && goes_on {
            let (record, _) = now
                .backends
                .get(number)
                .expect("a backend that goes on is there");
            prop_assert!(
                record.is(Backend::SERVES) && record.incarnation == old.incarnation,
                "a flow is cut"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_state_on_the_way_is_unfit_for_packets(story in vec(told(), 1..6)) {
        let mut core = Core::new();
        for told in &story {
            core.go(told)?;
        }
    }
}

fn two() -> Told {
    let backend = |name| ToldBackend {
        name,
        moved: false,
        weight: 1,
        backup: false,
        health: Health::Up,
        intent: Intent::Ready,
        hop: Some(name as u8),
    };
    let service = ToldService {
        name: 0,
        ports: 1,
        backends: vec![backend(0), backend(1)],
    };
    Told {
        services: vec![service],
        has_flows: true,
    }
}

#[test]
fn a_removed_backend_stays_for_its_flows_and_its_number_is_then_another_s() {
    let mut core = Core::new();
    let mut told = two();
    core.go(&told).unwrap();
    let number = |core: &Core, wanted: u8| {
        let observed = observe(&core.maps);
        let mut all = observed
            .backends
            .iter()
            .map(|(number, (record, _))| (*number, *record));
        all.find(|(_, record)| {
            lb_common::address::to_ip(record.address) == IpAddr::from([10, 0, 0, 10 + wanted])
        })
    };
    let (slot, first) = number(&core, 1).expect("b1 is there");
    told.services[0].backends.pop();
    core.go(&told).unwrap();
    let (kept, record) = number(&core, 1).expect("b1 stays while it has flows");
    assert_eq!((kept, record.flags & Backend::ACCEPTS), (slot, 0));
    assert!(record.is(Backend::SERVES));
    told.has_flows = false;
    core.go(&told).unwrap();
    assert_eq!(number(&core, 1), None);
    core.go(&two()).unwrap();
    let (again, record) = number(&core, 1).expect("b1 is back");
    assert_eq!(again, slot, "the lowest free number is taken");
    assert_ne!(
        record.incarnation, first.incarnation,
        "old flows must not match"
    );
}

/// The listeners but for those that stand for a VIP as such.
fn destinations(observed: &Observed) -> impl Iterator<Item = &Listener> {
    let listeners = observed.listeners.iter();
    listeners.filter(|listener| listener.protocol != lb_common::ICMP)
}

#[test]
fn a_flow_that_begins_while_its_backend_is_removed_is_not_cut() {
    let mut core = Core::new();
    let mut told = two();
    told.has_flows = false;
    told.services[0].ports = 2;
    core.go(&told).unwrap();
    told.services[0].backends.pop();
    told.services[0].ports = 1;
    let left = |core: &Core| {
        let observed = observe(&core.maps);
        (observed.backends.len(), destinations(&observed).count())
    };
    // Nobody saw a flow, but one could begin until the ring was replaced.
    core.go(&told).unwrap();
    assert_eq!(left(&core), (2, 2));
    core.go(&told).unwrap();
    assert_eq!(left(&core), (1, 1));
}

#[test]
fn a_removed_listener_closes_while_it_has_flows() {
    let mut core = Core::new();
    let mut told = two();
    told.services[0].ports = 2;
    core.go(&told).unwrap();
    told.services[0].ports = 1;
    core.go(&told).unwrap();
    let closing = |core: &Core| {
        let observed = observe(&core.maps);
        let closing = destinations(&observed)
            .filter(|listener| listener.flags & Listener::CLOSING != 0)
            .count();
        (destinations(&observed).count(), closing)
    };
    assert_eq!(closing(&core), (2, 1));
    told.has_flows = false;
    core.go(&told).unwrap();
    assert_eq!(closing(&core), (1, 0));
}

#[test]
fn nothing_told_is_nothing_done() {
    let mut core = Core::new();
    core.go(&two()).unwrap();
    let before = observe(&core.maps);
    let target = core.target(&two(), &before);
    assert_eq!(plan(&before, &target).unwrap(), vec![]);
}

#[test]
fn a_plan_reads_as_a_story() {
    let mut core = Core::new();
    core.go(&two()).unwrap();
    let mut told = two();
    told.services[0].backends[1].health = Health::Down;
    let before = observe(&core.maps);
    let target = core.target(&told, &before);
    let steps: Vec<String> = plan(&before, &target)
        .unwrap()
        .iter()
        .map(|action| {
            format!("{action:?}")
                .chars()
                .take_while(|c| c.is_alphabetic())
                .collect()
        })
        .collect();
    assert_eq!(
        steps,
        [
            "BackendNote",
            "Ring",
            "Rewind",
            "Service",
            "Grace",
            "Backend"
        ]
    );
}

#[test]
fn a_data_path_that_fails_stops_the_plan() {
    let core = Core::new();
    core.maps
        .fails
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let error = apply(&core.maps, &[Action::Grace]).unwrap_err();
    assert!(error.to_string().contains("grace"));
}
