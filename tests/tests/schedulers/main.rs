//! Who gets a new flow, in both engines, by each scheduler.

mod consistent;
mod counted;
mod sticky;
#[allow(dead_code, reason = "each story uses some of it")]
#[path = "../story/mod.rs"]
mod story;
#[allow(dead_code, reason = "each story uses some of it")]
#[path = "../told/mod.rs"]
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use lb_agent::{api::model::Intent, config::Config, health::Health, loads, operator::Key};
use lb_common::{
    Load, Map, Reason,
    memory::{Memory as _, read},
};
use lb_tests::{
    engines::{World, flow_count},
    frames::{self, Segment},
};
use story::{Story, socket};
use told::{backend, send};

const SCHEDULERS: [&str; 5] = [
    "round-robin",
    "maglev",
    "source-hash",
    "least-connections",
    "random-2",
];
const WEB: [&str; 2] = ["192.0.2.10:80", "[2001:db8::10]:80"];

/// One service, its backends by name with further lines each.
fn config(service: &str, backends: &[(&str, &str)]) -> Config {
    let mut text = format!(
        "[[interface]]\nname = \"lo\"\n[[service]]\nname = \"web\"\n\
         listen = [\"192.0.2.10:80/tcp\", \"[2001:db8::10]:80/tcp\"]\n{service}\n"
    );
    for (number, (name, more)) in (11..).zip(backends) {
        text += &format!(
            "[[service.backend]]\nname = \"{name}\"\naddress = \"10.0.1.{number}\"\n{more}\n"
        );
    }
    Config::parse(&text, "schedulers.toml").unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn world(config: &Config) -> World {
    World::seeded(config, 1024, Some(42)).expect("run this as root: `cargo xtask test`")
}

fn scheduler(name: &str) -> String {
    format!("scheduler = \"{name}\"")
}

/// Clients of both families: number `n` has one port, each another address.
fn client(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    if n.is_multiple_of(2) {
        socket(&format!("198.51.{high}.{low}:40000"))
    } else {
        socket(&format!("[2001:db8:c::{n:x}]:40000"))
    }
}

fn web(client: SocketAddr) -> SocketAddr {
    socket(WEB[usize::from(client.is_ipv6())])
}

fn segment(client: SocketAddr, flags: &'static str, sequence: u32) -> Vec<u8> {
    frames::tcp(client, web(client), &Segment::new(flags).at(sequence))
}

/// The backend that this client's SYN goes to.
fn syn(world: &World, client: SocketAddr) -> String {
    backend(world, &segment(client, "S", 1)).expect("somebody takes it")
}

/// How many new flows of `clients` each backend gets.
fn shares(world: &World, clients: impl Iterator<Item = SocketAddr>) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for client in clients {
        *shares.entry(syn(world, client)).or_default() += 1;
    }
    shares
}

const THREE: [(&str, &str); 3] = [("a", ""), ("b", ""), ("c", "")];

#[test]
fn round_robin_keeps_its_order_by_weight() {
    let world = world(&config("", &[("a", "weight = 100"), ("b", "weight = 50")]));
    let order: Vec<String> = (0..9).map(|n| syn(&world, client(n))).collect();
    assert_eq!(order.concat(), "abaabaaba");
}

/// Every scheduler with the same backends.
fn each(backends: &[(&str, &str)], mut check: impl FnMut(&str, World, &Config)) {
    for name in SCHEDULERS {
        let config = config(&scheduler(name), backends);
        check(name, world(&config), &config);
    }
}

#[test]
fn by_each_scheduler_who_is_drained_or_has_weight_0_gets_no_new_flows_and_keeps_its_own() {
    each(
        &[("a", ""), ("b", ""), ("zero", "weight = 0")],
        |name, mut world, config| {
            let before: Vec<String> = (0..24).map(|n| syn(&world, client(n))).collect();
            let all: BTreeSet<&str> = before.iter().map(String::as_str).collect();
            assert_eq!(all, BTreeSet::from(["a", "b"]), "{name}");
            world
                .operator
                .set_intent(Key::new("web", "b"), Intent::Drain);
            world.reconcile(config).expect("it fits");
            for (n, then) in (0..).zip(&before) {
                let now = backend(&world, &segment(client(n), "A", 2));
                assert_eq!(now.as_ref(), Some(then), "{name}");
            }
            let after = shares(&world, (100..124).map(client));
            assert_eq!(after, BTreeMap::from([("a".into(), 24)]), "{name}");
            world
                .operator
                .set_intent(Key::new("web", "a"), Intent::Drain);
            world.reconcile(config).expect("it fits");
            let sent = send(&world, &segment(client(200), "S", 1));
            assert_eq!(sent.seen.reason, Reason::ResetNoBackend, "{name}");
        },
    );
}

#[test]
fn by_each_scheduler_backups_serve_only_while_no_active_backend_can() {
    let backends = [
        ("a", ""),
        ("b", ""),
        ("spare", "backup = true"),
        ("other", "backup = true"),
    ];
    each(&backends, |name, mut world, config| {
        let names = |world: &World, clients: std::ops::Range<u16>| -> Vec<String> {
            shares(world, clients.map(client)).into_keys().collect()
        };
        assert_eq!(names(&world, 0..24), ["a", "b"], "{name}");
        let set = |world: &mut World, down: &[&str]| {
            let down = down
                .iter()
                .map(|down| (Key::new("web", *down), Health::Down));
            world.health = down.collect();
            world.reconcile(config).expect("it fits");
        };
        set(&mut world, &["a"]);
        assert_eq!(names(&world, 100..112), ["b"], "{name}");
        set(&mut world, &["a", "b"]);
        assert_eq!(names(&world, 200..212), ["spare"], "{name}");
        set(&mut world, &["a", "b", "spare"]);
        assert_eq!(names(&world, 300..312), ["other"], "{name}");
        set(&mut world, &[]);
        assert_eq!(names(&world, 400..424), ["a", "b"], "{name}");
    });
}
