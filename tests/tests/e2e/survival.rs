//! Established connections survive everything that an operator or the agent's death can do.

use std::{collections::BTreeSet, io, net::SocketAddr};

use lb_tests::lab::{
    Layout, Scene,
    client::Session,
    scene::{Service, WEB, web},
};

use crate::guests::Guests;

const BOTH: &str = "web-1 web-2";

fn two() -> Service {
    web().backend(1, "weight = 100").backend(2, "weight = 100")
}

#[test]
fn guests_survive_weights_drain_and_maintenance() {
    let mut scene = Scene::start(Layout::one_arm(2), &[two()]).unwrap();
    let mut guests = Guests::arrive(&mut scene);
    for (verb, newcomers) in [
        ("weight web/web-1 50", BOTH),
        ("weight web/web-1 0", "web-2"),
        ("weight web/web-1 100%", BOTH),
        ("drain web/web-1", "web-2"),
        ("ready web/web-1", BOTH),
        ("maint web/web-2", "web-1"),
        ("drain web/web-1", ""),
        ("ready web/web-1", "web-1"),
        ("ready web/web-2", BOTH),
    ] {
        scene.agent.lb_ok(verb.split(' ')).unwrap();
        assert_eq!(serving(&scene, WEB[0]), newcomers, "after {verb}");
        guests.are_served_after(verb);
    }
    guests.leave();
}

#[test]
fn guests_survive_reloads() {
    // Where nothing listens any more, the balancer's own kernel refuses.
    let layout = Layout {
        vip_on_lb: true,
        ..Layout::one_arm(3)
    };
    let mut scene = Scene::start(layout, &[two()]).unwrap();
    let mut guests = Guests::arrive(&mut scene);
    let only_v4 = Service::new("web", &["192.0.2.10:80/tcp"]);
    let other = Service::new("other", &["192.0.2.20:80/tcp"]).backend(1, "");
    let all = "web-1 web-2 web-3";
    let light = web().backend(1, "weight = 1").backend(2, "weight = 2");
    let moved = web().backend_on(3, 1, "").backend(2, "");
    let small = only_v4.backend(1, "").backend(2, "");
    // Who serves newcomers then, over IPv4 and over IPv6.
    for (change, services, newcomers) in [
        ("changed weights", light, [BOTH, BOTH]),
        (
            "an added backend",
            two().backend(3, "weight = 100"),
            [all, all],
        ),
        (
            "a backend's removal",
            web().backend(2, ""),
            ["web-2", "web-2"],
        ),
        ("the backend's return", two(), [BOTH, BOTH]),
        (
            "its move to another address",
            moved,
            ["web-2 web-3", "web-2 web-3"],
        ),
        ("its move back", two(), [BOTH, BOTH]),
        ("the probe's removal", two().without("probe"), [BOTH, BOTH]),
        ("a listener's removal", small, [BOTH, ""]),
        ("the listener's return", two(), [BOTH, BOTH]),
        (
            "a new name for the service",
            two().named("shop"),
            [BOTH, BOTH],
        ),
        ("the service's removal", other, ["", ""]),
        ("the service's return", two(), [BOTH, BOTH]),
    ] {
        scene.reload(&[services]).unwrap();
        assert_eq!(
            WEB.map(|address| serving(&scene, address)),
            newcomers,
            "after {change}"
        );
        guests.are_served_after(change);
    }
    guests.leave();
}

#[test]
fn guests_survive_the_agent() {
    let mut scene = Scene::start(Layout::one_arm(2), &[two()]).unwrap();
    let mut guests = Guests::arrive(&mut scene);

    scene.agent.kill9();
    guests.are_served_after("kill -9");
    assert_eq!(serving(&scene, WEB[0]), BOTH, "without an agent");
    scene.agent.restart().unwrap();
    guests.are_served_after("a start after kill -9");
    assert_eq!(serving(&scene, WEB[0]), BOTH, "with an agent again");

    scene.agent.stop().unwrap();
    guests.are_served_after("a clean stop");
    assert_eq!(serving(&scene, WEB[0]), BOTH, "after a clean stop");
    let before = program(&scene);
    scene.agent.restart().unwrap();
    guests.are_served_after("a start after a clean stop");
    // The new agent brought a program of its own, in the place of the other.
    assert_ne!(program(&scene), before);
    assert_eq!(
        serving(&scene, WEB[0]),
        BOTH,
        "with a program of the new agent's"
    );
    guests.leave();
}

/// Who answers the next new connections; nobody if they are refused.
fn serving(scene: &Scene, address: SocketAddr) -> String {
    let ask = |_| match Session::open(&scene.lab, address) {
        Ok(mut session) => Some(session.ask().unwrap()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => None,
        Err(error) => panic!("neither served nor refused: {error}"),
    };
    let servers: BTreeSet<_> = (0..6).filter_map(ask).collect();
    Vec::from_iter(servers).join(" ")
}

/// The number of the XDP program on the balancer's interface.
fn program(scene: &Scene) -> u32 {
    let link = scene.ip("lb", "-details link show eth0").unwrap();
    let number = link.split("prog/xdp id ").nth(1).unwrap();
    number.split(' ').next().unwrap().parse().unwrap()
}
