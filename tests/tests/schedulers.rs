//! Who gets a new flow, in both engines, by each scheduler.

#[allow(dead_code, reason = "each story uses some of it")]
mod story;
#[allow(dead_code, reason = "each story uses some of it")]
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

fn load(world: &World, name: &str) -> u64 {
    let number = world.backend_number(name).into();
    let load: Load = read(world.kernel.words(Map::Loads), number).expect("there is one");
    load.flows()
}

#[test]
fn round_robin_keeps_its_order_by_weight() {
    let world = world(&config("", &[("a", "weight = 100"), ("b", "weight = 50")]));
    let order: Vec<String> = (0..9).map(|n| syn(&world, client(n))).collect();
    assert_eq!(order.concat(), "abaabaaba");
}

/// Where the flows of some clients would go by a table alone: mid-flow packets that nobody remembers.
fn fallbacks(world: &World, clients: impl Iterator<Item = SocketAddr>) -> Vec<String> {
    clients
        .map(|client| {
            let sent = send(world, &segment(client, "A", 7));
            assert_eq!(sent.seen.reason, Reason::FlowFallback);
            world.backend_name(sent.seen.backend.expect("somebody takes it"))
        })
        .collect()
}

const THREE: [(&str, &str); 3] = [("a", ""), ("b", ""), ("c", "")];

#[test]
fn maglev_gives_a_mid_flow_packet_to_whom_it_gave_the_flow_and_records_nothing() {
    for name in ["maglev", "source-hash"] {
        let first = world(&config(&scheduler(name), &THREE));
        let chosen: Vec<String> = (0..60).map(|n| syn(&first, client(n))).collect();
        let other = world(&config(&scheduler(name), &THREE));
        assert_eq!(fallbacks(&other, (0..60).map(client)), chosen, "{name}");
        assert_eq!(
            flow_count(&other),
            0,
            "{name}: a stray packet is not remembered"
        );
        let all: BTreeSet<&String> = chosen.iter().collect();
        assert_eq!(all.len(), 3, "{name}: {chosen:?}");
        // Neither has a reset.
        let sent = send(&other, &segment(client(1), "R", 7));
        assert_eq!(sent.seen.reason, Reason::FlowFallback);
    }
}

#[test]
fn maglev_chooses_alike_where_the_seed_is_the_same_and_not_where_it_is_not() {
    let config = config(&scheduler("maglev"), &THREE);
    let chosen = |seed| {
        let world = World::seeded(&config, 1024, Some(seed)).expect("run this as root");
        (0..60).map(|n| syn(&world, client(n))).collect::<Vec<_>>()
    };
    let one = chosen(7);
    assert_eq!(chosen(7), one);
    assert_ne!(chosen(8), one);
}

#[test]
fn maglev_gives_the_same_flow_to_the_same_backend_again() {
    let world = world(&config(&scheduler("maglev"), &THREE));
    for n in 0..20 {
        let first = syn(&world, client(n));
        send(&world, &segment(client(n), "R", 2));
        let sent = send(&world, &segment(client(n), "S", 900));
        assert_eq!(sent.seen.reason, Reason::FlowReused);
        assert_eq!(
            world.backend_name(sent.seen.backend.expect("somebody")),
            first
        );
    }
}

#[test]
fn a_backend_that_goes_takes_only_its_own_flows_along() {
    for name in ["maglev", "source-hash"] {
        let all = config(&scheduler(name), &THREE);
        let mut world = world(&all);
        let slots = |world: &World| world.target.services[&1].slots.clone();
        let (before, chosen) = (slots(&world), fallbacks(&world, (0..60).map(client)));
        let b = world.backend_number("b");
        let key = Key::new("web", "b");
        let check = |world: &World, how: &str| {
            let moved = slots(world)
                .iter()
                .zip(&before)
                .filter(|(now, then)| now != then)
                .count();
            let own = before.iter().filter(|slot| **slot == b).count();
            assert_eq!(moved, own, "{name}, {how}: only its slots were given away");
            assert!(!slots(world).contains(&b));
            for (now, then) in fallbacks(world, (0..60).map(client)).iter().zip(&chosen) {
                assert!(
                    then == "b" && now != "b" || now == then,
                    "{name}, {how}: {then} > {now}"
                );
            }
        };
        world.operator.set_intent(key.clone(), Intent::Drain);
        world.reconcile(&all).expect("it fits");
        check(&world, "drained");
        world.operator.set_intent(key.clone(), Intent::Ready);
        world.operator.set_weight(key.clone(), 0, 1);
        world.reconcile(&all).expect("it fits");
        check(&world, "weight 0");
        world.operator.set_weight(key.clone(), 1, 1);
        world.health.insert(key, Health::Down);
        world.reconcile(&all).expect("it fits");
        check(&world, "down");
        world.health.clear();
        world.reconcile(&all).expect("it fits");
        assert_eq!(
            slots(&world),
            before,
            "{name}: who is back has what was its own"
        );
    }
}

#[test]
fn source_hash_looks_at_the_client_s_prefix_alone() {
    let lines = "scheduler = \"source-hash\"\nprefix_ipv4 = 24\nprefix_ipv6 = 64";
    let world = world(&config(lines, &THREE));
    let mut chosen = BTreeSet::new();
    for network in 0..12 {
        let hosts = |host: u16, port: u16| {
            [
                socket(&format!("198.51.{network}.{host}:{port}")),
                socket(&format!("[2001:db8:c:{network}::{host}]:{port}")),
            ]
        };
        for family in 0..2 {
            let backends: BTreeSet<String> = [(1, 1000), (1, 2000), (254, 1000), (77, 65_535)]
                .map(|(host, port)| syn(&world, hosts(host, port)[family]))
                .into();
            assert_eq!(backends.len(), 1, "network {network}: {backends:?}");
            chosen.extend(backends);
        }
    }
    assert_eq!(chosen.len(), 3, "the networks are spread");
}

#[test]
fn without_a_prefix_each_address_is_a_client() {
    let world = world(&config(&scheduler("source-hash"), &THREE));
    let hosts = (0..40).map(|host| socket(&format!("198.51.100.{host}:40000")));
    assert_eq!(shares(&world, hosts).len(), 3);
}

#[test]
fn least_connections_keeps_flows_in_the_proportion_of_weights() {
    let config = config(
        &scheduler("least-connections"),
        &[("a", "weight = 2"), ("b", "")],
    );
    let world = world(&config);
    let order: Vec<String> = (0..9).map(|n| syn(&world, client(n))).collect();
    assert_eq!(order.iter().filter(|name| *name == "a").count(), 6);
    assert_eq!((load(&world, "a"), load(&world, "b")), (6, 3));

    // Three of a's flows end: the next ones are a's until it is even again.
    let of_a: Vec<u16> = (0..9).filter(|n| order[usize::from(*n)] == "a").collect();
    for (n, end) in of_a.iter().zip(["FA", "R", "FA"]) {
        send(&world, &segment(client(*n), "A", 2));
        send(&world, &segment(client(*n), end, 2));
        // Once is once, however often it is said.
        send(&world, &segment(client(*n), end, 2));
    }
    assert_eq!((load(&world, "a"), load(&world, "b")), (3, 3));
    let next: String = (20..23).map(|n| syn(&world, client(n))).collect();
    assert_eq!(next, "aaa");
    assert_eq!((load(&world, "a"), load(&world, "b")), (6, 3));
}

#[test]
fn a_flow_that_is_replaced_before_it_ends_is_counted_once() {
    let world = world(&config(
        &scheduler("least-connections"),
        &[("a", ""), ("b", "")],
    ));
    for sequence in [1, 2, 3, 4, 5] {
        send(&world, &segment(client(0), "S", sequence));
    }
    assert_eq!(flow_count(&world), 1);
    assert_eq!(load(&world, "a") + load(&world, "b"), 1);
}

#[test]
fn a_flow_that_was_forgotten_is_no_longer_counted() {
    let config = config(&scheduler("least-connections"), &[("a", ""), ("b", "")]);
    let world = World::seeded(&config, 16, Some(42)).expect("run this as root");
    let mut story = Story::in_world(world);
    for n in 0..40 {
        syn(&story.world, client(n));
        // So that both engines agree on who was quiet longest.
        story.older(1);
    }
    let kept = flow_count(&story.world) as u64;
    assert!(kept <= 16);
    assert_eq!(load(&story.world, "a") + load(&story.world, "b"), kept);
}

#[test]
fn flows_that_fall_silent_are_made_good_by_the_agent() {
    let config = config(&scheduler("least-connections"), &[("a", ""), ("b", "")]);
    let mut story = Story::in_world(world(&config));
    for n in 0..6 {
        syn(&story.world, client(n));
    }
    assert_eq!((load(&story.world, "a"), load(&story.world, "b")), (3, 3));
    story.older(62);
    for n in 6..8 {
        syn(&story.world, client(n));
    }
    // One that has ended and is remembered for its last segment is no flow to count.
    send(&story.world, &segment(client(6), "R", 2));
    loads::correct(&*story.world.kernel, &config).expect("there is a clock");
    story.world.mirror();
    assert_eq!(load(&story.world, "a") + load(&story.world, "b"), 1);
    let fewer = if load(&story.world, "a") == 0 {
        "a"
    } else {
        "b"
    };
    assert_eq!(syn(&story.world, client(8)), fewer);
}

#[test]
fn translated_flows_are_counted_down_when_both_sides_have_closed() {
    let lines = format!("{}\nforward = \"nat\"", scheduler("least-connections"));
    let world = world(&config(&lines, &[("a", "")]));
    let client = client(0);
    let there = send(&world, &segment(client, "S", 1))
        .frame()
        .inner()
        .clone();
    let lb_tests::decoded::Transport::Tcp {
        ports: [own, port], ..
    } = there.transport
    else {
        panic!("no TCP: {there}");
    };
    let back = |flags| {
        let (from, to) = (
            SocketAddr::new(there.destination, port),
            SocketAddr::new(there.source, own),
        );
        send(&world, &frames::tcp(from, to, &Segment::new(flags)))
    };
    back("SA");
    send(&world, &segment(client, "A", 2));
    send(&world, &segment(client, "FA", 2));
    assert_eq!(load(&world, "a"), 1);
    back("FA");
    assert_eq!(load(&world, "a"), 0);
}

#[test]
fn of_two_drawn_at_random_the_one_with_fewer_flows() {
    let world = world(&config(
        &scheduler("random-2"),
        &[("a", ""), ("b", ""), ("c", ""), ("d", "")],
    ));
    let shares = shares(&world, (0..120).map(client));
    for name in ["a", "b", "c", "d"] {
        let share = shares[name];
        assert!((24..=36).contains(&share), "{shares:?}");
        assert_eq!(load(&world, name), u64::from(share));
    }
    // Three have none left: they are drawn, alone or against d, in 15 of 16 draws.
    for n in 0..120 {
        let sent = send(&world, &segment(client(n), "A", 2));
        if world.backend_name(sent.seen.backend.expect("its own")) != "d" {
            send(&world, &segment(client(n), "R", 2));
        }
    }
    assert_eq!(load(&world, "a") + load(&world, "b") + load(&world, "c"), 0);
    let shares = self::shares(&world, (200..232).map(client));
    assert!(
        shares.get("d").is_none_or(|share| *share <= 6),
        "{shares:?}"
    );
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

#[test]
fn by_each_scheduler_sticky_clients_come_back() {
    for name in SCHEDULERS {
        let lines = format!("{}\nsticky = \"60s\"", scheduler(name));
        let config = config(&lines, &THREE);
        let world = world(&config);
        for n in 0..8 {
            let mut client = client(n);
            let first = syn(&world, client);
            for port in 50_000..50_004 {
                client.set_port(port);
                assert_eq!(syn(&world, client), first, "{name}");
            }
        }
    }
}

#[test]
fn stickiness_ends_a_time_after_the_last_new_flow() {
    let config = config("sticky = \"30s\"", &[("a", ""), ("b", "")]);
    let mut story = Story::in_world(world(&config));
    let from = |port: u16| socket(&format!("198.51.100.7:{port}"));
    // Another client takes the ticket between, so that the next turn is never the sticky one's by chance.
    assert_eq!(syn(&story.world, from(1)), "a");
    story.older(29);
    assert_eq!(syn(&story.world, from(2)), "a", "within the time");
    story.older(29);
    assert_eq!(
        syn(&story.world, from(3)),
        "a",
        "the second flow began the time anew"
    );
    // An old flow that goes on does not.
    story.older(20);
    send(&story.world, &segment(from(3), "A", 2));
    story.older(12);
    assert_eq!(
        syn(&story.world, from(4)),
        "b",
        "32 s after the last new flow"
    );
    assert_eq!(
        syn(&story.world, from(5)),
        "b",
        "and it is remembered in turn"
    );
}

#[test]
fn nobody_sticks_to_a_backend_that_may_get_no_new_flows() {
    let config = config("sticky = \"30s\"", &[("a", ""), ("b", "")]);
    let mut world = world(&config);
    let from = |port: u16| socket(&format!("198.51.100.7:{port}"));
    assert_eq!(syn(&world, from(1)), "a");
    world
        .operator
        .set_intent(Key::new("web", "a"), Intent::Drain);
    world.reconcile(&config).expect("it fits");
    assert_eq!(syn(&world, from(2)), "b");
    assert_eq!(
        backend(&world, &segment(from(1), "A", 2)).as_deref(),
        Some("a"),
        "an old flow stays"
    );
    world
        .operator
        .set_intent(Key::new("web", "a"), Intent::Ready);
    world.reconcile(&config).expect("it fits");
    assert_eq!(
        syn(&world, from(3)),
        "b",
        "the newest choice is the one that lasts"
    );
}

#[test]
fn clients_of_one_prefix_stick_together() {
    let lines = "sticky = \"30s\"\nprefix_ipv4 = 24\nprefix_ipv6 = 64";
    let world = world(&config(lines, &[("a", ""), ("b", "")]));
    let first = syn(&world, socket("198.51.100.7:1"));
    assert_eq!(syn(&world, socket("198.51.100.200:9")), first);
    assert_ne!(
        syn(&world, socket("198.51.101.7:1")),
        first,
        "the next in turn"
    );
    let first = syn(&world, socket("[2001:db8:c::7]:1"));
    assert_eq!(syn(&world, socket("[2001:db8:c::1:2:3:4]:9")), first);
    assert_ne!(
        syn(&world, socket("[2001:db8:c:1::7]:1")),
        first,
        "the next in turn"
    );
}

#[test]
fn with_one_packet_each_datagram_is_a_choice_of_its_own() {
    let text = "[[interface]]\nname = \"lo\"\n[[service]]\nname = \"dns\"\n\
                listen = [\"192.0.2.10:53/udp\", \"[2001:db8::10]:53/udp\"]\none_packet = true\n\
                [[service.backend]]\nname = \"a\"\naddress = \"10.0.1.11\"\n\
                [[service.backend]]\nname = \"b\"\naddress = \"10.0.1.12\"\n";
    let story = told::story(text, 64);
    for n in 0..2 {
        let client = client(n);
        let dns = SocketAddr::new(web(client).ip(), 53);
        let question = frames::udp(client, dns, b"question");
        let order: String = (0..6)
            .map(|_| backend(&story.world, &question).expect("somebody takes it"))
            .collect();
        assert_eq!(order, "ababab");
    }
    assert_eq!(flow_count(&story.world), 0);
}
