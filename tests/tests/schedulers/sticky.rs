//! Clients that stay with their backend, and datagrams that do not.

use super::*;

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
