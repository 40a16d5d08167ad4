//! Clients of one family, backends of the other.

use std::net::{IpAddr, SocketAddr};

use lb_tests::lab::{
    Echo, Scene,
    client::{Download, curl, fetch, fetch_hash, file_hash},
    layout,
    scene::{PROBE, Service, WEB},
};

use crate::{
    nat::layouts,
    udp::{ask, client},
    wire::upload,
};

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
    const DNS: [SocketAddr; 2] = [
        SocketAddr::new(IpAddr::V4(layout::WEB_V4), 53),
        SocketAddr::new(IpAddr::V6(layout::WEB_V6), 53),
    ];
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
