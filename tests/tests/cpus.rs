//! Two CPUs at once on the same tables: every new flow takes one ticket, whatever CPU it arrives on, and is recorded
//! once, under the backend its packet went to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{collections::BTreeMap, net::SocketAddr, thread};

use lb_agent::{
    dataplane::{Dataplane as _, kernel::Kernel},
    observed::flows,
};
use lb_common::Event;
use lb_tests::{
    cpu::stay_on,
    engines::{World, test_config},
    frames::{Segment, tcp},
};

const FLOWS_PER_CPU: u16 = 20_000;

/// Sends SYNs of distinct flows and says where each client's went: the last byte of the next hop's MAC address.
fn send(kernel: &Kernel, cpu: usize) -> BTreeMap<u32, u8> {
    stay_on(cpu).unwrap();
    let destination: SocketAddr = "192.0.2.10:80".parse().unwrap();
    (0..FLOWS_PER_CPU)
        .map(|number| {
            let source = SocketAddr::from(([198, 51, 100, cpu as u8], 1024 + number));
            let (_, frame) = kernel
                .forward(&tcp(source, destination, &Segment::new("S")))
                .unwrap();
            ((cpu as u32) << 16 | u32::from(source.port()), frame[5])
        })
        .collect()
}

#[test]
fn the_split_is_exact_and_every_flow_is_recorded_once() {
    let world = World::new(&test_config(), 262_144).expect("run this as root: `cargo xtask test`");
    let second = world.second_kernel().unwrap();
    let (mut went, more) = thread::scope(|scope| {
        let first = scope.spawn(|| send(&world.kernel, 0));
        let second = scope.spawn(|| send(&second, 1));
        (first.join().unwrap(), second.join().unwrap())
    });
    went.extend(more);
    let total = 2 * u64::from(FLOWS_PER_CPU);
    assert_eq!(went.len() as u64, total);

    let new = |name| {
        world
            .kernel
            .backend_count(world.backend_number(name))
            .unwrap()
            .new_flows
    };
    // Weights 100 and 50: the ring is 1 2 1, and `total` tickets were taken from its start.
    let second_s = (total + 1) / 3;
    assert_eq!((new("web-1"), new("web-2")), (total - second_s, second_s));

    let events = world.kernel.events().unwrap();
    for event in [
        Event::FlowEvicted,
        Event::FlowUnrecorded,
        Event::SlotSkipped,
    ] {
        assert_eq!(events.get(&event), Some(&0), "{event:?}");
    }
    let mut recorded = BTreeMap::new();
    for (tag, flow) in flows(&*world.kernel) {
        let std::net::IpAddr::V4(client) = lb_common::address::to_ip(flow.key.client) else {
            panic!("an IPv6 client")
        };
        let key = u32::from(client.octets()[3]) << 16 | u32::from(flow.key.client_port());
        assert_eq!(
            recorded.insert(key, tag.backend()),
            None,
            "a flow is recorded twice"
        );
    }
    assert_eq!(recorded.len(), went.len());
    for (key, hop) in &went {
        let name = world.backend_name(recorded[key]);
        assert_eq!(name, if *hop == 11 { "web-1" } else { "web-2" });
    }
}
