//! Translated services: backends are ordinary hosts that know nothing of the service, and answer to the balancer.

pub mod life;
mod ports;
mod route;
mod sides;
pub mod transfer;

use std::net::{IpAddr, SocketAddr};

use lb_agent::api::model::{Explanation, FlowStatus};
use lb_tests::lab::{
    Capture, Echo, Layout, Nginx, Scene, Topology,
    client::{Session, curl, fetch},
    layout,
    scene::{PROBE, Service, WEB},
};

use crate::udp::{ask, client};

/// A service for each family, with two backends of that family.
pub fn both() -> [Service; 2] {
    let nat = |name, listen: &str| {
        Service::new(name, &[listen])
            .with(PROBE)
            .with("forward = \"nat\"")
    };
    [
        nat("web", "192.0.2.10:80/tcp")
            .backend(1, "")
            .backend(2, ""),
        nat("web6", "[2001:db8::10]:80/tcp")
            .backend_v6(1, "")
            .backend_v6(2, ""),
    ]
}

/// Both ways to stand between clients and backends.
pub fn layouts() -> [Layout; 2] {
    [Layout::one_arm(2).ordinary(), Layout::two_arm(2).ordinary()]
}

/// The balancer's address on the network of `beN`.
fn balancer(scene: &Scene, number: u8, v6: bool) -> String {
    match (scene.lab.layout().topology, v6) {
        (Topology::OneArm, false) => "10.77.0.2".to_owned(),
        (Topology::OneArm, true) => "fd77::2".to_owned(),
        (Topology::Routed, false) => "10.77.101.1".to_owned(),
        (Topology::Routed, true) => "fd77:101::1".to_owned(),
        (Topology::TwoArm, false) => format!("10.77.{number}.1"),
        (Topology::TwoArm, true) => format!("fd77:{number}::1"),
    }
}

fn own(scene: &Scene, number: u8, v6: bool) -> IpAddr {
    let addresses = scene.lab.addresses(&format!("be{number}")).unwrap();
    if v6 {
        addresses.v6.into()
    } else {
        addresses.v4.into()
    }
}

#[test]
fn ordinary_hosts_take_turns_and_see_the_balancer() {
    for (xdp, layout) in [
        ("native", Layout::one_arm(2).ordinary()),
        ("native", Layout::two_arm(2).ordinary()),
        ("native", Layout::routed(2).ordinary()),
        ("generic", Layout::one_arm(2).ordinary()),
        ("generic", Layout::two_arm(2).ordinary()),
    ] {
        let scene = Scene::start_with(xdp, layout, &both()).unwrap();
        for address in WEB {
            assert_eq!(
                curl(&scene.lab, address, 4).unwrap(),
                ["web-1", "web-2", "web-1", "web-2"],
                "{xdp} {address}"
            );
            let v6 = address.is_ipv6();
            for number in [1, 2] {
                let seen = fetch(&scene.lab, &format!("http://{address}/ends")).unwrap();
                let (balancer, own) = (balancer(&scene, number, v6), own(&scene, number, v6));
                assert_eq!(seen, format!("{balancer} {own} 80"), "{xdp}");
            }
        }
    }
}

#[test]
fn a_backend_listens_where_it_likes() {
    for layout in layouts() {
        let services = both().map(|service| service.to_port(8080));
        let scene = Scene::start(layout, &services).unwrap();
        for address in WEB {
            let v6 = address.is_ipv6();
            let seen = fetch(&scene.lab, &format!("http://{address}/ends")).unwrap();
            let (balancer, own) = (balancer(&scene, 1, v6), own(&scene, 1, v6));
            assert_eq!(seen, format!("{balancer} {own} 8080"));
        }
    }
}

#[test]
fn tls_passes_untouched() {
    let nat = |name, listen: &str| Service::new(name, &[listen]).with("forward = \"nat\"");
    let services = [
        nat("tls", "192.0.2.10:443/tcp").backend(1, ""),
        nat("tls6", "[2001:db8::10]:443/tcp").backend_v6(1, ""),
    ];
    for layout in layouts() {
        let scene = Scene::start(layout, &services).unwrap();
        let _tls = Nginx::start_tls(&scene.lab, "be1", "tls-1").unwrap();
        for url in ["https://192.0.2.10/", "https://[2001:db8::10]/"] {
            assert_eq!(fetch(&scene.lab, url).unwrap(), "tls-1");
        }
    }
}

#[test]
fn datagrams_are_answered_through_the_balancer() {
    const DNS: [SocketAddr; 2] = [
        SocketAddr::new(IpAddr::V4(layout::WEB_V4), 53),
        SocketAddr::new(IpAddr::V6(layout::WEB_V6), 53),
    ];
    let nat = |name, listen: &str| {
        Service::new(name, &[listen])
            .with("forward = \"nat\"")
            .to_port(5353)
    };
    let services = [
        nat("dns", "192.0.2.10:53/udp")
            .backend(1, "")
            .backend(2, ""),
        nat("dns6", "[2001:db8::10]:53/udp")
            .backend_v6(1, "")
            .backend_v6(2, ""),
    ];
    for layout in layouts() {
        let scene = Scene::start(layout, &services).unwrap();
        let _echoes = [1, 2].map(|number| {
            let at = [false, true].map(|v6| SocketAddr::new(own(&scene, number, v6), 5353));
            let (node, name) = (format!("be{number}"), format!("dns-{number}"));
            Echo::start(&scene.lab, &node, &name, &at).unwrap()
        });
        for address in DNS {
            let clients = [(); 4].map(|()| client(&scene, address));
            for _ in 0..3 {
                let answers = clients.each_ref().map(|client| ask(client).unwrap());
                assert_eq!(answers, ["dns-1", "dns-2", "dns-1", "dns-2"]);
            }
        }
        let packets = scene.packets().unwrap();
        assert_eq!((packets["flow_new"], packets["flow_reply"]), (8, 24));
    }
}

#[test]
fn clients_keep_their_addresses_where_that_is_asked_for() {
    for layout in layouts() {
        let services = both().map(|service| service.with("nat_source = \"client\""));
        let mut scene = Scene::prepare("native", layout, &services).unwrap();
        // Answers must pass the balancer: in one segment they would not by themselves.
        for number in [1, 2] {
            let node = format!("be{number}");
            for (v6, client) in [(false, "10.77.0.1"), (true, "fd77::1")] {
                let hop = balancer(&scene, number, v6);
                let route = format!("route add {client} via {hop}");
                scene.ip(&node, &route).unwrap();
            }
        }
        scene.agent.restart().unwrap();
        scene.all_up().unwrap();
        for (address, client) in WEB.into_iter().zip(["10.77.0.1", "fd77::1"]) {
            for number in [1, 2] {
                let seen = fetch(&scene.lab, &format!("http://{address}/ends")).unwrap();
                let own = own(&scene, number, address.is_ipv6());
                assert_eq!(seen, format!("{client} {own} 80"));
            }
        }
    }
}

#[test]
fn a_flow_is_listed_with_all_its_ends() {
    let services = both().map(|service| service.to_port(8080));
    let scene = Scene::start(Layout::two_arm(2).ordinary(), &services).unwrap();
    for (address, service) in WEB.into_iter().zip(["web", "web6"]) {
        let mut session = Session::open(&scene.lab, address).unwrap();
        session.ask().unwrap();
        let args = ["flows", "--service", service, "--json"];
        let flows: Vec<FlowStatus> =
            serde_json::from_str(&scene.agent.lb_ok(args).unwrap()).unwrap();
        let [flow] = &flows[..] else {
            panic!("one connection, and these flows: {flows:?}");
        };
        let v6 = address.is_ipv6();
        assert_eq!(flow.client, session.client().unwrap().to_string());
        assert_eq!(flow.vip, address.to_string());
        assert_eq!(flow.backend, format!("{service}-1"));
        assert_eq!(flow.state, "open");
        let to = SocketAddr::new(own(&scene, 1, v6), 8080);
        assert_eq!(flow.destination, Some(to.to_string()));
        let source: SocketAddr = flow.source.as_deref().unwrap().parse().unwrap();
        assert_eq!(source.ip().to_string(), balancer(&scene, 1, v6));
        // What the table for people shows is the same.
        let table = scene.agent.lb_ok(["flows", "--service", service]).unwrap();
        for end in [source, to] {
            assert!(table.contains(&end.to_string()), "{table}");
        }
        // The server sees that very port.
        let args = ["-Htn", "state", "established", "sport", "=", ":8080"];
        let sockets = scene.lab.command("be1", "ss", args).output().unwrap();
        let sockets = String::from_utf8_lossy(&sockets.stdout).into_owned();
        assert!(sockets.contains(&source.to_string()), "{sockets}");
    }
}

#[test]
fn what_is_explained_comes_true() {
    let scene = Scene::start(Layout::two_arm(2).ordinary(), &both()).unwrap();
    for (address, from) in WEB.into_iter().zip(["10.77.0.1", "fd77::1"]) {
        let from: IpAddr = from.parse().unwrap();
        for port in 30_001..30_004 {
            let source = SocketAddr::new(from, port).to_string();
            let args = ["explain", &source, &address.to_string(), "--json"];
            let explain = || -> Explanation {
                serde_json::from_str(&scene.agent.lb_ok(args).unwrap()).unwrap()
            };
            let first = explain().first;
            assert_eq!(first.action, "forward");
            let mut session = Session::open_from(&scene.lab, port, address).unwrap();
            let server = session.ask().unwrap();
            let number = server.strip_prefix("web-").unwrap();
            let backend = first.backend.unwrap();
            assert!(backend.ends_with(number), "{backend}, but {server} served");
            assert_eq!(first.interface, Some(format!("eth{number}")));
            let later = explain().later;
            assert_eq!((later.backend, &*later.reason), (Some(backend), "flow_hit"));
        }
    }
}

#[test]
fn both_ends_are_told_the_largest_segment() {
    const SYNS: &str = "tcp[13] & 2 != 0 or (ip6 and tcp and ip6[53] & 2 != 0)";
    for layout in layouts() {
        let services = both().map(|service| service.without("probe").with("mss = 1200"));
        let scene = Scene::start(layout, &services).unwrap();
        let captures =
            ["client", "be1"].map(|node| Capture::start(&scene.lab, node, "eth0", SYNS).unwrap());
        for address in WEB {
            assert_eq!(curl(&scene.lab, address, 1).unwrap(), ["web-1"]);
        }
        let [client, backend] = captures.map(|capture| {
            let both = ["fd77:", "10.77.", "Flags [S]", "Flags [S.]"];
            capture.until(&both).unwrap()
        });
        for (seen, lowered) in [(client, "Flags [S.]"), (backend, "Flags [S]")] {
            let lowered: Vec<_> = seen.lines().filter(|line| line.contains(lowered)).collect();
            assert_eq!(lowered.len(), 2, "{seen}");
            for line in lowered {
                assert!(
                    line.contains("mss 1200,") && line.contains("(correct)"),
                    "{line}"
                );
            }
        }
    }
}
