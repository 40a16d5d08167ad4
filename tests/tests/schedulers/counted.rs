//! Schedulers that ask how many flows each backend has: least-connections and random-2.

use super::*;

fn load(world: &World, name: &str) -> u64 {
    let number = world.backend_number(name).into();
    let load: Load = read(world.kernel.words(Map::Loads), number).expect("there is one");
    load.flows()
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
