//! Schedulers that choose by a table: maglev and source-hash.

use super::*;

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
