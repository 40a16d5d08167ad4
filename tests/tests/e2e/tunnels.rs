//! Backends in networks behind a router, which get their packets in tunnels and answer the client past the balancer.

use std::net::{IpAddr, SocketAddr};

use lb_tests::lab::{
    Decap, Echo, Layout, Scene,
    client::{curl, fetch},
    layout,
    scene::{PROBE, Service},
};

use crate::{
    udp::{ask, client},
    wire::upload,
};

const VIPS: [IpAddr; 2] = [IpAddr::V4(layout::WEB_V4), IpAddr::V6(layout::WEB_V6)];

/// The port of the service whose tunnels are IPv4, and of that whose tunnels are IPv6.
pub const PORTS: [u16; 2] = [80, 8080];

/// What makes a service one with tunnels.
pub const WAYS: [&[&str]; 3] = [
    &["forward = \"ipip\""],
    &["forward = \"gue\""],
    &["forward = \"gue\"", "gue_variant = 0"],
];

/// A service of both families for each family of tunnels.
pub fn both(protocol: &str, ports: [u16; 2], lines: &[&str]) -> [Service; 2] {
    let service = |name, port| {
        let listen = VIPS.map(|vip| format!("{}/{protocol}", SocketAddr::new(vip, port)));
        let service = Service::new(name, &[&listen[0], &listen[1]]);
        lines
            .iter()
            .fold(service, |service, line| service.with(line))
    };
    [
        service("over4", ports[0]).backend(1, "").backend(2, ""),
        service("over6", ports[1])
            .backend_v6(1, "")
            .backend_v6(2, ""),
    ]
}

/// These services and backends that unpack.
pub fn scene(xdp: &'static str, services: &[Service]) -> (Scene, [Decap; 2]) {
    let mut scene = Scene::prepare(xdp, Layout::routed(2), services).unwrap();
    let decaps = ["be1", "be2"].map(|node| Decap::start(&scene.lab, node).unwrap());
    scene.agent.restart().unwrap();
    scene.all_up().unwrap();
    (scene, decaps)
}

#[test]
fn pages_come_through_every_tunnel_of_either_family() {
    for (xdp, lines) in [
        ("native", WAYS[0]),
        ("native", WAYS[1]),
        ("native", WAYS[2]),
        ("generic", WAYS[0]),
        ("generic", WAYS[1]),
    ] {
        let services = both("tcp", PORTS, lines).map(|service| service.with(PROBE));
        let (scene, _decaps) = scene(xdp, &services);
        for port in PORTS {
            for (vip, from) in VIPS.into_iter().zip(["10.77.0.1", "fd77::1"]) {
                let address = SocketAddr::new(vip, port);
                assert_eq!(
                    curl(&scene.lab, address, 4).unwrap(),
                    ["web-1", "web-2", "web-1", "web-2"],
                    "{xdp} {lines:?} {address}"
                );
                let seen = fetch(&scene.lab, &format!("http://{address}/ends")).unwrap();
                assert_eq!(seen, format!("{from} {vip} {port}"));
                // The turn of the other again.
                curl(&scene.lab, address, 1).unwrap();
            }
        }
        // Nothing of it came back by the balancer.
        let packets = scene.packets().unwrap();
        assert_eq!(packets.get("flow_reply"), None, "{packets:?}");
    }
}

#[test]
fn datagrams_come_through_every_tunnel() {
    for lines in WAYS {
        let (scene, _decaps) = scene("native", &both("udp", PORTS, lines));
        let all: Vec<_> = PORTS
            .iter()
            .flat_map(|port| VIPS.map(|vip| SocketAddr::new(vip, *port)))
            .collect();
        let _echoes = [1, 2].map(|number| {
            let (node, name) = (format!("be{number}"), format!("dns-{number}"));
            Echo::start(&scene.lab, &node, &name, &all).unwrap()
        });
        for address in all {
            let clients = [(); 4].map(|()| client(&scene, address));
            for _ in 0..2 {
                let answers = clients.each_ref().map(|client| ask(client).unwrap());
                assert_eq!(answers, ["dns-1", "dns-2", "dns-1", "dns-2"]);
            }
        }
    }
}

/// What the way from the router to the backends takes.
const NARROW: u16 = 1400;

/// How the balancer may know of it, and whether clients then send what does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// By the service's `mtu`.
    Configured,
    /// By the route to the backend.
    Route,
    /// Not at all: backends announce segments that fit.
    Announced,
}

#[test]
fn a_narrow_way_behind_the_router_costs_nothing() {
    const SINKS: [u16; 2] = [9000, 9001];
    for (lines, known) in [
        (WAYS[0], Known::Configured),
        (WAYS[1], Known::Configured),
        (WAYS[2], Known::Announced),
        (WAYS[0], Known::Announced),
        (WAYS[1], Known::Route),
    ] {
        let services = both("tcp", SINKS, lines).map(|service| match known {
            Known::Configured => service.with(&format!("mtu = {NARROW}")),
            Known::Route | Known::Announced => service,
        });
        let (scene, _decaps) = scene("native", &services);
        narrow(&scene, known);
        let before = scene.packets().unwrap();
        assert_eq!(before.get("too_big"), None);
        for port in SINKS {
            // The first flow of each service is for be1, the second for be2.
            for (vip, node) in VIPS.into_iter().zip(["be1", "be2"]) {
                let address = SocketAddr::new(vip, port);
                upload(&scene, node, address, address);
            }
        }
        let told = scene.packets().unwrap().get("too_big").copied();
        assert_eq!(
            told.is_none(),
            known == Known::Announced,
            "{known:?}: {told:?}"
        );
    }
}

/// Makes the ways from the router to the backends narrow, and has it known.
fn narrow(scene: &Scene, known: Known) {
    let replace = |node: &str, route: String| {
        let route = format!("route replace {route}");
        scene.ip(node, &route).unwrap();
    };
    for number in [1, 2] {
        let way = format!("dev eth{} mtu {NARROW}", number + 1);
        replace("router", format!("10.77.{number}.0/24 {way}"));
        // The kernel's own metric, else it would be a second route.
        replace("router", format!("fd77:{number}::/64 {way} metric 256"));
        match known {
            Known::Configured => {}
            Known::Route => {
                let v4 = format!("10.77.{number}.2 via 10.77.101.2 mtu {NARROW}");
                let v6 = format!("fd77:{number}::2 via fd77:101::2 mtu {NARROW}");
                replace("lb", v4);
                replace("lb", v6);
            }
            Known::Announced => {
                // Less the longest outer headers, and those of TCP over IPv6.
                let mss = NARROW - 52 - 60;
                let node = format!("be{number}");
                for hop in [format!("10.77.{number}.1"), format!("fd77:{number}::1")] {
                    replace(&node, format!("default via {hop} advmss {mss}"));
                }
            }
        }
    }
}
