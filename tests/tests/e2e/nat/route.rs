//! Which way answers go: that of the request, or by the host's routes.

use lb_tests::lab::{
    Capture, Layout, Scene,
    client::curl,
    scene::{Service, WEB},
};

use super::both;

/// What comes from the service addresses.
const ANSWERS: &str = "tcp src port 80 and (src host 192.0.2.10 or src host 2001:db8::10)";

/// A balancer whose host routes to the client by way of the router, and whose answers go as `reply` says.
fn behind_router(reply: &str) -> Scene {
    let layout = Layout {
        ip_forward: true,
        ..Layout::routed(2).ordinary()
    };
    let services = both().map(|service| service.with(&format!("reply = \"{reply}\"")));
    let scene = Scene::start(layout, &services).unwrap();
    let router = scene.lab.addresses("router").unwrap();
    for route in [
        format!("route add 10.77.0.1/32 via {}", router.v4),
        format!("route add fd77::1/128 via {}", router.v6),
    ] {
        scene.ip("lb", &route).unwrap();
    }
    scene
}

/// The interface of the client that answers arrive by.
fn answers_arrive_by(scene: &Scene, device: &str) {
    let capture = Capture::start(&scene.lab, "client", device, ANSWERS).unwrap();
    for address in WEB {
        assert_eq!(
            curl(&scene.lab, address, 2).unwrap(),
            ["web-1", "web-2"],
            "{address}"
        );
    }
    capture
        .until(&["192.0.2.10.80 > ", "2001:db8::10.80 > "])
        .unwrap();
}

#[test]
fn answers_go_by_the_hosts_routes_where_that_is_asked_for() {
    answers_arrive_by(&behind_router("route"), "eth1");
}

#[test]
fn answers_go_the_way_the_request_came_whatever_the_routes() {
    answers_arrive_by(&behind_router("last-hop"), "eth0");
}

#[test]
fn answers_for_which_the_host_has_no_way_go_the_way_the_request_came() {
    // A host that does not forward names no way.
    let services = both().map(|service: Service| service.with("reply = \"route\""));
    for layout in super::layouts() {
        let scene = Scene::start(layout, &services).unwrap();
        for address in WEB {
            assert_eq!(curl(&scene.lab, address, 2).unwrap(), ["web-1", "web-2"]);
        }
    }
}
