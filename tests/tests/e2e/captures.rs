//! What a protocol analyser says of the packets of each way of forwarding: nothing.

use std::net::{IpAddr, SocketAddr};

use lb_tests::lab::{
    Decap, Echo, Layout, Recording, Scene, Servers, client::fetch, layout, scene::Service,
};

use crate::{
    tunnels::WAYS,
    udp::{ask, client},
};

const VIPS: [IpAddr; 2] = [IpAddr::V4(layout::WEB_V4), IpAddr::V6(layout::WEB_V6)];

/// A port of which no analyser takes datagrams for another protocol's.
const ECHO: u16 = 7777;

/// A service for web pages and one for datagrams, of each family: at a backend of its own family, or of the other.
fn services(lines: &[&str], crossed: bool) -> Vec<Service> {
    let service = |(vip, port, protocol): (IpAddr, u16, &str)| {
        let name = format!("{protocol}{}", if vip.is_ipv4() { 4 } else { 6 });
        let listen = format!("{}/{protocol}", SocketAddr::new(vip, port));
        let service = Service::new(&name, &[&listen]);
        let service = lines
            .iter()
            .fold(service, |service, line| service.with(line));
        if vip.is_ipv4() == crossed {
            service.backend_v6(1, "")
        } else {
            service.backend(1, "")
        }
    };
    VIPS.into_iter()
        .flat_map(|vip| [(vip, 80, "tcp"), (vip, ECHO, "udp")])
        .map(service)
        .collect()
}

/// Fetches and asks over both families, and has every packet judged that passes these interfaces meanwhile.
#[track_caller]
fn judge(layout: Layout, services: &[Service], places: &[(&str, &str)]) {
    let mut scene = Scene::prepare("native", layout, services).unwrap();
    let _decap = (places.iter().any(|(node, _)| *node == "router"))
        .then(|| Decap::start(&scene.lab, "be1").unwrap());
    scene.agent.restart().unwrap();
    let own = scene.lab.addresses("be1").unwrap();
    let mut at = vec![SocketAddr::from((own.v4, ECHO)), (own.v6, ECHO).into()];
    if scene.lab.layout().servers == Servers::Direct {
        at.extend(VIPS.map(|vip| SocketAddr::new(vip, ECHO)));
    }
    let _echo = Echo::start(&scene.lab, "be1", "echo-1", &at).unwrap();
    let recordings: Vec<_> = places
        .iter()
        .map(|(node, device)| Recording::start(&scene.lab, node, device).unwrap())
        .collect();
    for vip in VIPS {
        let url = format!("http://{}/", SocketAddr::new(vip, 80));
        assert_eq!(fetch(&scene.lab, &url).unwrap(), "web-1");
        let asking = client(&scene, SocketAddr::new(vip, ECHO));
        assert_eq!(ask(&asking).unwrap(), "echo-1");
    }
    for (recording, place) in recordings.into_iter().zip(places) {
        let recorded = recording.end().unwrap();
        assert_eq!(recorded.faults, [""; 0], "{place:?}");
        // Of each connection at least four segments in one direction, of each question one datagram.
        assert!(recorded.packets >= 10, "{place:?}: {recorded:?}");
    }
}

#[test]
fn direct_return_is_faultless() {
    let ends = [("client", "eth0"), ("be1", "eth0")];
    judge(Layout::one_arm(1), &services(&[], false), &ends);
    judge(Layout::two_arm(1), &services(&[], false), &ends);
}

#[test]
fn translation_is_faultless() {
    let ends = [("client", "eth0"), ("be1", "eth0")];
    for crossed in [false, true] {
        let services = services(&["forward = \"nat\""], crossed);
        for layout in [Layout::one_arm(1).ordinary(), Layout::two_arm(1).ordinary()] {
            judge(layout, &services, &ends);
        }
    }
}

#[test]
fn tunnels_are_faultless() {
    // The router sees the tunnels, the backend what comes out of them.
    let places = [
        ("client", "eth0"),
        ("client", "eth1"),
        ("router", "eth0"),
        ("be1", "eth0"),
    ];
    for lines in WAYS {
        for crossed in [false, true] {
            judge(Layout::routed(1), &services(lines, crossed), &places);
        }
    }
}
