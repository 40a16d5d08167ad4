//! A backend dies, hangs or loses its cable under load: how soon that is found, what it costs, and what becomes of
//! the flows it had.

use std::{
    io,
    time::{Duration, Instant},
};

use lb_agent::health::Health;
use lb_tests::lab::{
    Layout, Scene,
    client::{Session, Tally, Traffic},
    scene::{WEB, tell, web},
};
use rustix::process::Signal;

/// Connections per second of the load.
const RATE: u32 = 400;

/// What the probe of these tests takes at most: an interval, two fast ones, three time-outs, and a busy machine.
const DETECTION: Duration = Duration::from_millis(300 + 2 * 100 + 3 * 250 + 1000);

#[test]
fn a_killed_server_is_left_and_found_again() {
    let services = [web().backend(1, "").backend(2, "")];
    let mut scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let traffic = scene.traffic(RATE).unwrap();
    traffic.next("web", 50).unwrap();

    let killed = Instant::now();
    scene.kill_web(1);
    let detected = scene.until_health("web/web-1", Health::Down).unwrap();
    only(
        &after_the_flip("killed process", &traffic, killed, detected),
        "web-2",
    );

    let started = Instant::now();
    scene.start_web(1).unwrap();
    let found = scene.until_health("web/web-1", Health::Up).unwrap();
    assert!(found < DETECTION, "{found:?}");
    let tally = traffic.next("web", 200).unwrap();
    assert!(
        tally.answers["web-1"].abs_diff(tally.answers["web-2"]) <= 2,
        "{tally:?}"
    );
    let all = traffic.settled("web", started, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
    tell(format!(
        "returned process: found after {} ms, 0 failed",
        found.as_millis()
    ));
}

#[test]
fn a_pulled_cable_is_found_by_silence() {
    // One backend is asked over IPv4, one over IPv6, and one stays.
    let services = [web().backend(1, "").backend_v6(2, "").backend(3, "")];
    let scene = Scene::start(Layout::one_arm(3), &services).unwrap();
    let traffic = scene.traffic(RATE).unwrap();
    for number in [1, 2] {
        traffic.next("web", 50).unwrap();
        let backend = format!("web/web-{number}");
        let link = scene.lab.link(&format!("be{number}"));
        let pulled = Instant::now();
        link.down().unwrap();
        let detected = scene.until_health(&backend, Health::Down).unwrap();
        scene
            .logged(&format!("{backend}: up -> down: no answer from"))
            .unwrap();
        let others = after_the_flip(
            &format!("pulled cable of be{number}"),
            &traffic,
            pulled,
            detected,
        );
        assert!(
            !others.answers.contains_key(&format!("web-{number}")),
            "{others:?}"
        );
        link.up().unwrap();
        scene.until_health(&backend, Health::Up).unwrap();
        let back = traffic.next("web", 90).unwrap();
        assert!(back.answers[&format!("web-{number}")] >= 28, "{back:?}");
        assert_eq!(back.failures, [].into());
    }
}

#[test]
fn a_lost_next_hop_is_named_and_left_at_once() {
    // Without a probe, so that nothing but the network's own word is heard.
    let services = [web()
        .without("probe")
        .backend(1, "")
        .backend_v6(2, "")
        .backend(3, "")];
    let scene = Scene::start(Layout::two_arm(3), &services).unwrap();
    let traffic = scene.traffic(RATE).unwrap();
    for number in [1, 2] {
        traffic.next("web", 50).unwrap();
        let backend = format!("web/web-{number}");
        let server = format!("web-{number}");
        let mut session = session_on(&scene, WEB[0], &server);
        let link = scene.lab.link(&format!("be{number}"));
        let pulled = Instant::now();
        link.down().unwrap();
        let detected = scene
            .until("the lost next hop", |status| {
                let backend = &status.services[0].backends[number - 1];
                backend.why.starts_with("no next hop: ") && backend.next_hop.is_none()
            })
            .unwrap();
        let why = scene.backend(&backend).unwrap().why;
        let others = after_the_flip(
            &format!("lost next hop of be{number} ({why})"),
            &traffic,
            pulled,
            detected,
        );
        assert!(!others.answers.contains_key(&server), "{others:?}");
        // What an established flow sends meanwhile is counted, and sent again by its client.
        let lost = scene
            .packets()
            .unwrap()
            .get("no_next_hop")
            .copied()
            .unwrap_or(0);
        session.say().unwrap();
        scene
            .until("the loss to be counted", |status| {
                status
                    .reasons
                    .get("no_next_hop")
                    .is_some_and(|count| count.packets > lost)
            })
            .unwrap();
        link.up().unwrap();
        assert_eq!(session.hear().unwrap(), server);
        scene
            .until("the next hop", |status| {
                status.services[0].backends[number - 1].why == "serves, without a probe"
            })
            .unwrap();
        let back = traffic.next("web", 90).unwrap();
        assert!(back.answers[&server] >= 28, "{back:?}");
        assert_eq!(back.failures, [].into());
    }
}

#[test]
fn on_down_reset_ends_the_flows_of_a_dead_backend() {
    let services = [web()
        .with("on_down = \"reset\"")
        .backend(1, "")
        .backend(2, "")];
    let mut scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let mut dying = WEB.map(|address| session_on(&scene, address, "web-1"));
    let mut living = WEB.map(|address| session_on(&scene, address, "web-2"));
    stop(&mut scene);
    let before = scene.packets().unwrap();
    for session in &mut dying {
        session.say().unwrap();
        let said = Instant::now();
        assert_eq!(
            session.hear().unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        assert!(
            said.elapsed() < Duration::from_millis(500),
            "{:?}",
            said.elapsed()
        );
    }
    let resets = |packets: &std::collections::BTreeMap<String, u64>| {
        packets.get("reset_backend_gone").copied().unwrap_or(0)
    };
    assert_eq!(resets(&scene.packets().unwrap()) - resets(&before), 2);
    for session in &mut living {
        assert_eq!(session.ask().unwrap(), "web-2");
    }
}

#[test]
fn on_down_keep_lets_them_wait_for_their_backend() {
    let services = [web()
        .with("on_down = \"keep\"")
        .backend(1, "")
        .backend(2, "")];
    let mut scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let mut waiting = WEB.map(|address| session_on(&scene, address, "web-1"));
    stop(&mut scene);
    for session in &mut waiting {
        session.say().unwrap();
    }
    // New ones do not wait with them.
    for address in WEB {
        assert_eq!(
            Session::open(&scene.lab, address).unwrap().ask().unwrap(),
            "web-2"
        );
    }
    scene
        .web(1)
        .unwrap()
        .process()
        .signal(Signal::CONT)
        .unwrap();
    for session in &mut waiting {
        assert_eq!(session.hear().unwrap(), "web-1");
    }
    assert_eq!(scene.packets().unwrap().get("reset_backend_gone"), None);
}

#[test]
fn a_flow_that_is_silent_while_its_backend_flaps_survives() {
    let services = [web()
        .with("on_down = \"reset\"")
        .backend(1, "")
        .backend(2, "")];
    let mut scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let mut silent = WEB.map(|address| session_on(&scene, address, "web-1"));
    stop(&mut scene);
    scene
        .web(1)
        .unwrap()
        .process()
        .signal(Signal::CONT)
        .unwrap();
    scene.until_health("web/web-1", Health::Up).unwrap();
    for session in &mut silent {
        assert_eq!(session.ask().unwrap(), "web-1");
    }
}

/// Stops the server of `be1` without closing its connections, and waits until that is found.
fn stop(scene: &mut Scene) {
    scene
        .web(1)
        .unwrap()
        .process()
        .signal(Signal::STOP)
        .unwrap();
    scene.until_health("web/web-1", Health::Down).unwrap();
}

/// An established connection that has fallen to `server`.
pub fn session_on(scene: &Scene, address: std::net::SocketAddr, server: &str) -> Session {
    for _ in 0..20 {
        let mut session = Session::open(&scene.lab, address).unwrap();
        if session.ask().unwrap() == server {
            return session;
        }
    }
    panic!("of twenty connections none fell to {server}");
}

/// Measures, and gives what was begun after the detection: none of it has failed.
fn after_the_flip(what: &str, traffic: &Traffic, since: Instant, detected: Duration) -> Tally {
    assert!(detected < DETECTION, "detected after {detected:?}");
    let after = traffic.next("web", 200).unwrap();
    assert_eq!(after.failures, [].into(), "after {what} was known");
    let all = traffic.settled("web", since, Instant::now()).unwrap();
    let flipped = all
        .last_failure
        .map_or(Duration::ZERO, |last| last.duration_since(since));
    tell(format!(
        "{what}: detected after {} ms, last failed connection begun after {} ms; {} of {} failed {:?}, \
         slowest answer {} ms",
        detected.as_millis(),
        flipped.as_millis(),
        all.failed(),
        all.failed() + all.answered(),
        all.failures,
        all.latency(1.0).unwrap_or_default().as_millis()
    ));
    after
}

/// Every answer is from `server`.
fn only(tally: &Tally, server: &str) {
    assert_eq!(tally.answers.keys().collect::<Vec<_>>(), [server]);
}
