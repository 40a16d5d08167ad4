//! Translated connections live as long as their clients want them to, and learn at once when their backend is dead.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use lb_agent::health::Health;
use lb_tests::lab::{
    Layout, Scene,
    client::{Crowd, Session},
    scene::{WEB, tell},
};
use rustix::process::Signal;

use super::{both, layouts};
use crate::backend_death::session_on;

/// New connections per second of the load.
const RATE: u32 = 400;

#[test]
fn an_idle_connection_goes_on_where_it_was() {
    let services = both().map(|service| service.with("tcp_idle = \"10s\""));
    for layout in layouts() {
        let scene = Scene::start(layout, &services).unwrap();
        let mut sessions = WEB.map(|address| Session::open(&scene.lab, address).unwrap());
        let servers = sessions.each_mut().map(|session| session.ask().unwrap());
        for _ in 0..2 {
            thread::sleep(Duration::from_secs(6));
            let again = sessions.each_mut().map(|session| session.ask().unwrap());
            assert_eq!(again, servers);
        }
        let packets = scene.packets().unwrap();
        assert_eq!(packets["flow_new"], 2, "{packets:?}");
    }
}

#[test]
fn a_connection_that_is_stale_but_not_forgotten_goes_on() {
    let services = both().map(|service| service.with("tcp_idle = \"1s\""));
    let scene = Scene::start(Layout::two_arm(2).ordinary(), &services).unwrap();
    let mut sessions = WEB.map(|address| Session::open(&scene.lab, address).unwrap());
    let servers = sessions.each_mut().map(|session| session.ask().unwrap());
    thread::sleep(Duration::from_secs(4));
    assert_eq!(
        sessions.each_mut().map(|session| session.ask().unwrap()),
        servers
    );
}

#[test]
fn a_dead_backend_s_connections_are_reset_and_new_ones_move() {
    for layout in layouts() {
        let mut scene = Scene::start(layout, &both()).unwrap();
        let mut dying = WEB.map(|address| session_on(&scene, address, "web-1"));
        let mut living = WEB.map(|address| session_on(&scene, address, "web-2"));
        // Stopped, not killed: the kernel under it would reset the connections itself.
        let web = scene.web(1).unwrap();
        web.process().signal(Signal::STOP).unwrap();
        for backend in ["web/web-1", "web6/web6-1"] {
            scene.until_health(backend, Health::Down).unwrap();
        }
        for session in &mut dying {
            session.say().unwrap();
            let said = Instant::now();
            let error = session.hear().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert!(said.elapsed() < Duration::from_millis(500));
        }
        for session in &mut living {
            assert_eq!(session.ask().unwrap(), "web-2");
        }
        for address in WEB {
            for _ in 0..4 {
                let mut session = Session::open(&scene.lab, address).unwrap();
                assert_eq!(session.ask().unwrap(), "web-2");
            }
        }
        let packets = scene.packets().unwrap();
        assert_eq!(packets["reset_backend_gone"], 2, "{packets:?}");
    }
}

#[test]
fn a_killed_server_is_left_and_found_again_under_load() {
    let mut scene = Scene::start(Layout::two_arm(2).ordinary(), &both()).unwrap();
    let mut dying = WEB.map(|address| session_on(&scene, address, "web-1"));
    let traffic = scene.traffic(RATE).unwrap();
    traffic.next("web", 50).unwrap();
    scene.kill_web(1);
    for backend in ["web/web-1", "web6/web6-1"] {
        scene.until_health(backend, Health::Down).unwrap();
    }
    // The server's own farewell came through.
    for session in &mut dying {
        let error = session.ask().unwrap_err().kind();
        assert!(
            matches!(
                error,
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::BrokenPipe
            ),
            "{error:?}"
        );
    }
    let others = traffic.next("web", 200).unwrap();
    assert_eq!(others.failures, [].into());
    assert!(!others.answers.contains_key("web-1"), "{others:?}");
    let begun = Instant::now();
    scene.start_web(1).unwrap();
    for backend in ["web/web-1", "web6/web6-1"] {
        scene.until_health(backend, Health::Up).unwrap();
    }
    let tally = traffic.next("web", 200).unwrap();
    assert!(tally.answers["web-1"] >= 90, "{tally:?}");
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
}

#[test]
fn weights_change_and_no_connection_breaks() {
    for layout in layouts() {
        let scene = Scene::start(layout, &both()).unwrap();
        let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 40).unwrap();
        let traffic = scene.traffic(RATE).unwrap();
        let begun = Instant::now();
        for weight in ["0", "1", "50", "0", "256", "1"] {
            for backend in ["web/web-1", "web6/web6-1"] {
                scene.agent.lb_ok(["weight", backend, weight]).unwrap();
            }
            traffic.next("web", 40).unwrap();
        }
        crowd.is_content().unwrap();
        let all = traffic.settled("web", begun, Instant::now()).unwrap();
        assert_eq!(all.failures, [].into());
        assert_eq!(crowd.mood().members["web-1"], 20);
    }
}

#[test]
fn short_connections_as_fast_as_they_come_all_find_a_port() {
    for layout in layouts() {
        let scene = Scene::start(layout, &both()).unwrap();
        for address in WEB {
            let url = format!("http://{address}/");
            let args = [
                "-t1",
                "-c32",
                "-d3s",
                "--timeout",
                "1s",
                "-H",
                "Connection: close",
                &url,
            ];
            let mut wrk = scene.lab.spawn("client", "wrk", args).unwrap();
            wrk.wait(Duration::from_secs(10)).unwrap();
        }
        let log = scene.lab.run_dir().join("client-wrk.log");
        let report = std::fs::read_to_string(log).unwrap();
        let done: Vec<_> = report
            .lines()
            .filter(|line| line.contains("requests in"))
            .collect();
        assert_eq!(done.len(), 2, "{report}");
        for complaint in ["Socket errors", "Non-2xx"] {
            assert!(!report.contains(complaint), "{report}");
        }
        let packets = scene.packets().unwrap();
        let wrong = |(reason, _): &(&String, &u64)| {
            reason.starts_with("reset") || reason.starts_with("no_") || *reason == "inconsistent"
        };
        let wrong: Vec<_> = packets.iter().filter(wrong).collect();
        assert!(
            wrong.iter().all(|(reason, _)| *reason == "no_service"),
            "{wrong:?}"
        );
        tell(format!(
            "{:?}, translated: {}",
            scene.lab.layout().topology,
            done.join(";")
        ));
    }
}

#[test]
fn the_agent_s_death_under_load_costs_nothing() {
    for layout in layouts() {
        let mut scene = Scene::start(layout, &both()).unwrap();
        let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 40).unwrap();
        let traffic = scene.traffic(RATE).unwrap();
        traffic.next("web", 100).unwrap();
        let killed = Instant::now();
        scene.agent.kill9();
        traffic.next("web", 300).unwrap();
        crowd.is_content().unwrap();
        let dead = killed.elapsed();
        scene.agent.restart().unwrap();
        traffic.next("web", 200).unwrap();
        crowd.is_content().unwrap();
        let (begun, failed) = traffic.end().unwrap();
        assert_eq!(failed, 0, "of {begun}");
        let packets = scene.packets().unwrap();
        for reason in [
            "reset_no_flow",
            "reset_backend_gone",
            "reset_no_backend",
            "reset_no_port",
            "no_port",
        ] {
            assert_eq!(packets.get(reason), None, "{packets:?}");
        }
        tell(format!(
            "{:?}, translated: agent dead for {} ms, {begun} new connections, 0 failed",
            scene.lab.layout().topology,
            dead.as_millis()
        ));
    }
}
