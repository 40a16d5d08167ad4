//! Clients of one family, backends of the other.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use lb_tests::lab::{
    Echo, Layout, Scene,
    client::{Download, curl, fetch, fetch_hash, file_hash},
    layout,
    scene::{PROBE, Service, WEB},
    wait_until,
};

use crate::{
    nat::layouts,
    udp::{ask, client},
    wire::upload,
};

const DNS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(layout::WEB_V4), 53),
    SocketAddr::new(IpAddr::V6(layout::WEB_V6), 53),
];

/// IPv4 clients to IPv6 backends, and the reverse; each service listens on `port` of its VIP.
fn crossed(port: &str) -> [Service; 2] {
    let nat = |name, vip| Service::new(name, &[&format!("{vip}:{port}")]).with("forward = \"nat\"");
    [
        nat("from4", "192.0.2.10")
            .backend_v6(1, "")
            .backend_v6(2, ""),
        nat("from6", "[2001:db8::10]").backend(1, "").backend(2, ""),
    ]
}

/// Where `beN` is for clients that come by `vip`.
fn other_family(scene: &Scene, number: u8, vip: SocketAddr, port: u16) -> SocketAddr {
    let own = scene.lab.addresses(&format!("be{number}")).unwrap();
    let ip: IpAddr = if vip.is_ipv4() {
        own.v6.into()
    } else {
        own.v4.into()
    };
    SocketAddr::new(ip, port)
}

#[test]
fn pages_come_from_the_other_family() {
    for layout in layouts() {
        let services = crossed("80/tcp").map(|service| service.with(PROBE));
        let mut scene = Scene::start(layout, &services).unwrap();
        let big = scene.web(1).unwrap().big();
        Download::prepare(&big, 16 << 20).unwrap();
        let hash = file_hash(&big).unwrap();
        for address in WEB {
            // The first flow, while backend 1 is next.
            let fetched = fetch_hash(&scene.lab, &format!("http://{address}/big")).unwrap();
            assert_eq!(fetched, hash, "from {address}");
            assert_eq!(
                curl(&scene.lab, address, 4).unwrap(),
                ["web-2", "web-1", "web-2", "web-1"]
            );
            let seen = fetch(&scene.lab, &format!("http://{address}/ends")).unwrap();
            let [client, own, "80"] = seen.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{seen}");
            };
            let backend = other_family(&scene, 2, address, 80).ip();
            assert_eq!(own, backend.to_string());
            let client: IpAddr = client.parse().unwrap();
            assert_eq!(client.is_ipv4(), backend.is_ipv4());
        }
    }
}

#[test]
fn an_upload_crosses_byte_for_byte() {
    for layout in layouts() {
        let services = crossed("80/tcp").map(|service| service.to_port(9000));
        let scene = Scene::start(layout, &services).unwrap();
        for address in WEB {
            let at = other_family(&scene, 1, address, 9000);
            upload(&scene, "be1", at, address);
        }
    }
}

#[test]
fn datagrams_cross_in_both_directions() {
    for layout in layouts() {
        let scene = Scene::start(layout, &crossed("53/udp")).unwrap();
        let _echoes = [1, 2].map(|number| {
            let at = DNS.map(|vip| other_family(&scene, number, vip, 53));
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
    }
}

/// More than one packet takes. The first pieces from IPv4 are too long in IPv6, and their sender is told so.
#[test]
fn large_datagrams_cross_in_fragments() {
    let scene = Scene::start(Layout::one_arm(2).ordinary(), &crossed("53/udp")).unwrap();
    let at = DNS.map(|vip| other_family(&scene, 1, vip, 53));
    let _echo = Echo::start(&scene.lab, "be1", "dns-1", &at).unwrap();
    let question: Vec<u8> = (0..3000_u32).map(|at| (at * 31 / 7) as u8).collect();
    let expected = [b"dns-1 ", &question[..]].concat();
    for address in DNS {
        // The first flow of the service, for backend 1.
        let client = client(&scene, address);
        let mut answer = vec![0; 2 * question.len()];
        wait_until(Duration::from_secs(10), "a large answer", || {
            // Until its size is right the socket may say that it is not.
            client.send(&question).is_ok()
                && client
                    .recv(&mut answer)
                    .is_ok_and(|len| answer[..len] == expected)
        })
        .unwrap();
    }
    let packets = scene.packets().unwrap();
    // One first and at least one later one, there and back, in both directions.
    assert!(packets["fragment"] >= 4, "{packets:?}");
}

/// What a narrow way takes; neither the ends nor the balancer know of it.
const NARROW: u16 = 1400;

/// Makes `route` of `node` a narrow way.
fn narrow(scene: &Scene, node: &str, route: &str) {
    let args = format!("route replace {route} mtu {NARROW}");
    scene.ip(node, &args).unwrap();
}

/// ICMP errors that were sent on so far.
fn errors(scene: &Scene) -> u64 {
    let packets = scene.packets().unwrap();
    packets.get("icmp_error").copied().unwrap_or_default()
}

/// What clients send is too long for a router on the way to the backends, which tells the balancer in its own family.
#[test]
fn clients_learn_of_a_narrow_way_to_the_backends() {
    let services = crossed("80/tcp").map(|service| service.to_port(9000));
    let scene = Scene::start(Layout::routed(2).ordinary(), &services).unwrap();
    for number in [1, 2] {
        let device = format!("dev eth{}", number + 1);
        narrow(&scene, "router", &format!("10.77.{number}.0/24 {device}"));
        // The kernel's own metric, else it would be a second route.
        let v6 = format!("fd77:{number}::/64 {device} metric 256");
        narrow(&scene, "router", &v6);
    }
    for address in WEB {
        let before = errors(&scene);
        let at = other_family(&scene, 1, address, 9000);
        upload(&scene, "be1", at, address);
        assert!(errors(&scene) > before, "{address}: no error");
    }
}

/// What backends send is too long for a router on the way to the clients, which tells the VIP.
#[test]
fn backends_learn_of_a_narrow_way_to_the_clients() {
    let services = crossed("80/tcp").map(|service| service.with(PROBE));
    let mut scene = Scene::start(Layout::one_arm(2).ordinary(), &services).unwrap();
    between_client_and_balancer(&scene);
    let big = scene.web(1).unwrap().big();
    Download::prepare(&big, 16 << 20).unwrap();
    let hash = file_hash(&big).unwrap();
    for address in WEB {
        let before = errors(&scene);
        let fetched = fetch_hash(&scene.lab, &format!("http://{address}/big")).unwrap();
        assert_eq!(fetched, hash, "from {address}");
        assert!(errors(&scene) > before, "{address}: no error");
    }
}

/// Puts a router between client and balancer, from which the way to the client is narrow: `be2`.
fn between_client_and_balancer(scene: &Scene) {
    const ROUTER: [(&str, &str); 4] = [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/eth0/send_redirects", "0"),
    ];
    // There is a shorter way for it, and it is not to take it.
    const CLIENT: [(&str, &str); 1] = [("ipv6/conf/eth0/accept_redirects", "0")];
    for (node, settings) in [("be2", &ROUTER[..]), ("client", &CLIENT)] {
        let set = || {
            settings
                .iter()
                .try_for_each(|(key, value)| std::fs::write(format!("/proc/sys/net/{key}"), value))
        };
        scene.lab.in_namespace(node, set).unwrap().unwrap();
    }
    let at = |node: &str| scene.lab.addresses(node).unwrap();
    let (client, balancer, router) = (at("client"), at("lb"), at("be2"));
    let replace = |node: &str, route: String| {
        scene.ip(node, &format!("route replace {route}")).unwrap();
    };
    replace("be2", format!("{} via {}", layout::WEB_V4, balancer.v4));
    replace("be2", format!("{} via {}", layout::WEB_V6, balancer.v6));
    narrow(scene, "be2", &format!("{} dev eth0", client.v4));
    narrow(scene, "be2", &format!("{} dev eth0", client.v6));
    replace("client", format!("{} via {}", layout::WEB_V4, router.v4));
    replace("client", format!("{} via {}", layout::WEB_V6, router.v6));
}
