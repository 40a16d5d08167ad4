//! No backend at all: the client is told at once, or at least it is counted.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use lb_agent::api::model::Tier;
use lb_tests::lab::{
    Layout, Scene,
    client::Session,
    scene::{Service, WEB, web},
};

use crate::backend_death::session_on;

#[test]
fn tcp_is_refused_at_once_and_udp_is_counted() {
    let udp = Service::new("dns", &["192.0.2.20:53/udp", "[2001:db8::20]:53/udp"]).backend(1, "");
    let services = [web().backend(1, "").backend(2, "backup = true"), udp];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let mut old = session_on(&scene, WEB[0], "web-1");
    for backend in ["web/web-1", "web/web-2", "dns/dns-1"] {
        scene.agent.lb_ok(["drain", backend]).unwrap();
    }
    assert_eq!(scene.service("web").unwrap().serving, Tier::None);
    let before = scene.packets().unwrap();
    for address in WEB {
        for _ in 0..5 {
            let begun = Instant::now();
            let error = Session::open(&scene.lab, address).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert!(
                begun.elapsed() < Duration::from_millis(200),
                "{:?}",
                begun.elapsed()
            );
        }
    }
    for address in ["192.0.2.20:53", "[2001:db8::20]:53"] {
        let address: SocketAddr = address.parse().unwrap();
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = scene
            .lab
            .in_namespace("client", || UdpSocket::bind(any))
            .unwrap()
            .unwrap();
        for _ in 0..5 {
            socket.send_to(b"hello", address).unwrap();
        }
    }
    let count =
        |packets: &BTreeMap<String, u64>, reason: &str| packets.get(reason).copied().unwrap_or(0);
    scene
        .until("ten datagrams to be counted", |status| {
            let reasons = &status.reasons;
            reasons
                .get("no_backend")
                .is_some_and(|count| count.packets == 10)
        })
        .unwrap();
    let after = scene.packets().unwrap();
    assert_eq!(
        count(&after, "reset_no_backend") - count(&before, "reset_no_backend"),
        10
    );
    for reason in ["flow_new", "flow_hit", "flow_moved", "flow_reused"] {
        assert_eq!(count(&after, reason), count(&before, reason), "{reason}");
    }
    // Whom it does not concern has not noticed.
    assert_eq!(old.ask().unwrap(), "web-1");
    scene.agent.lb_ok(["ready", "web/web-2"]).unwrap();
    assert_eq!(
        Session::open(&scene.lab, WEB[1]).unwrap().ask().unwrap(),
        "web-2"
    );
}
