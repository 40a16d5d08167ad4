//! Next hops follow the network: a card is exchanged, an address comes late, and what is missing is named.

use std::time::{Duration, Instant};

use lb_tests::lab::{
    Layout, Scene,
    client::curl,
    scene::{WEB, tell, web},
    wait_until,
};

use crate::backend_death::session_on;

#[test]
fn an_exchanged_card_that_announces_itself_is_followed_at_once() {
    exchanged(true, Duration::from_secs(2));
}

#[test]
fn an_exchanged_card_that_says_nothing_is_found_by_the_probes() {
    exchanged(false, Duration::from_secs(6));
}

fn exchanged(announced: bool, patience: Duration) {
    // One is found by ARP, one by neighbour discovery.
    let services = [web()
        .with("on_down = \"keep\"")
        .backend(1, "")
        .backend_v6(2, "")];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let cards = [(1, "02:4c:42:77:00:01"), (2, "02:4c:42:77:00:02")];
    let mut sessions = ["web-1", "web-2"].map(|server| session_on(&scene, WEB[0], server));
    for (number, _) in cards {
        let notify = if announced { "1" } else { "0" };
        for key in ["ipv4/conf/eth0/arp_notify", "ipv6/conf/eth0/ndisc_notify"] {
            let path = format!("/proc/sys/net/{key}");
            let write = || std::fs::write(&path, notify);
            scene
                .lab
                .in_namespace(&format!("be{number}"), write)
                .unwrap()
                .unwrap();
        }
    }
    let changed = Instant::now();
    for (number, mac) in cards {
        scene
            .ip(
                &format!("be{number}"),
                &format!("link set eth0 address {mac}"),
            )
            .unwrap();
    }
    // The established connections wait, send again, and go on.
    for session in &mut sessions {
        session.say().unwrap();
    }
    wait_until(patience, "the new addresses in the status", || {
        cards.iter().all(|(number, mac)| {
            let backend = scene.backend(&format!("web/web-{number}")).unwrap();
            backend.next_hop.as_deref() == Some(*mac)
        })
    })
    .unwrap();
    let found = changed.elapsed();
    wait_until(patience, "answers over both new cards", || {
        let answers = curl(&scene.lab, WEB[1], 2).unwrap_or_default();
        ["web-1", "web-2"]
            .iter()
            .all(|server| answers.iter().any(|answer| answer == server))
    })
    .unwrap();
    tell(format!(
        "exchanged cards (announced: {announced}): known after {} ms, served again after {} ms",
        found.as_millis(),
        changed.elapsed().as_millis()
    ));
    for (session, server) in sessions.iter_mut().zip(["web-1", "web-2"]) {
        // The next of TCP's own attempts may be seconds away.
        session.be_patient(Duration::from_secs(10)).unwrap();
        assert_eq!(session.hear().unwrap(), server);
    }
}

#[test]
fn a_backend_without_next_hop_is_named_with_the_reason() {
    let services = [web()
        .without("probe")
        .backend(1, "")
        .backend(2, "")
        .backend_v6(3, "")
        .backend(4, "")
        .backend(5, "")];
    let mut scene = Scene::prepare("native", Layout::one_arm(5), &services).unwrap();
    let config = scene
        .config(&services)
        .unwrap()
        .replace("10.77.0.12", "10.77.0.99")
        .replace("fd77::13", "fd77::99")
        .replace("10.77.0.14", "10.99.0.1")
        .replace("10.77.0.15", "10.77.0.2");
    scene.agent.write_config(&config).unwrap();
    let begun = Instant::now();
    scene.agent.restart().unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    for (name, why) in [
        ("web/web-1", "serves, without a probe"),
        (
            "web/web-2",
            "no next hop: 10.77.0.99 does not answer ARP on eth0",
        ),
        (
            "web/web-3",
            "no next hop: fd77::99 does not answer neighbour discovery on eth0",
        ),
        ("web/web-4", "no next hop: no route to 10.99.0.1"),
        (
            "web/web-5",
            "no next hop: 10.77.0.2 is this host's own address",
        ),
    ] {
        let backend = scene.backend(name).unwrap();
        assert!(backend.why.starts_with(why), "{name}: {}", backend.why);
        assert_eq!(
            (backend.share > 0.0, backend.next_hop.is_some()),
            (why.starts_with("serves"), why.starts_with("serves"))
        );
    }
    let log = scene.agent.log();
    assert!(log.contains("WARN no next hop for 10.77.0.99: "), "{log}");
    assert_eq!(curl(&scene.lab, WEB[0], 4).unwrap(), ["web-1"; 4]);

    // It comes late, and is served without anybody's doing.
    scene
        .ip("be2", "address add 10.77.0.99/24 dev eth0")
        .unwrap();
    let found = scene
        .until("the late backend", |status| {
            status.services[0].backends[1].share > 0.0
        })
        .unwrap();
    let mut answers = curl(&scene.lab, WEB[1], 4).unwrap();
    answers.sort();
    assert_eq!(answers, ["web-1", "web-1", "web-2", "web-2"]);
    tell(format!(
        "late backend served after {} ms",
        found.as_millis()
    ));
}
