//! The agent may die at any moment: nothing stops, nothing is forgotten.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use lb_agent::api::model::Intent;
use lb_tests::lab::{
    Layout, Scene,
    client::{Crowd, curl},
    scene::{Service, WEB, tell, web},
};

fn three() -> Service {
    web()
        .backend(1, "weight = 100")
        .backend(2, "weight = 100")
        .backend(3, "weight = 100")
}

#[test]
fn kill_9_under_load_costs_nothing_and_counts_go_on() {
    /// Connections of each client but the one that opens new ones all the time.
    const CROWD: u64 = 40;
    const WRK: u64 = 16;
    // A busy machine answers late; this is not about the probes.
    let calm = "probe = { type = \"http\", port = 80, path = \"/healthz\", interval = \"2s\", timeout = \"2s\" }";
    let mut scene = Scene::start(Layout::one_arm(3), &[three().with(calm)]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 40).unwrap();
    let traffic = scene.traffic(200).unwrap();
    let seconds = "4s";
    let connections = WRK.to_string();
    let args = [
        "-t",
        "1",
        "-c",
        &connections,
        "-d",
        seconds,
        "--timeout",
        "1s",
        "http://192.0.2.10/",
    ];
    let mut wrk = scene.lab.spawn("client", "wrk", args).unwrap();
    traffic.next("web", 100).unwrap();

    let before = forwarded(&scene);
    let killed = Instant::now();
    scene.agent.kill9();
    let alone = traffic.next("web", 300).unwrap();
    crowd.is_content().unwrap();
    let dead = killed.elapsed();
    assert!(
        scene.agent.status().is_err(),
        "an agent answers after kill -9"
    );
    assert_eq!(alone.failures, [].into());
    scene.agent.restart().unwrap();
    let after = forwarded(&scene);
    let back = traffic.next("web", 100).unwrap();
    assert_eq!(back.failures, [].into());
    crowd.is_content().unwrap();
    wrk.wait(Duration::from_secs(10)).unwrap();
    let report = wrk.log();
    assert!(report.contains("requests in"), "{report}");
    assert!(!report.contains("Socket errors"), "{report}");
    assert!(!report.contains("Non-2xx"), "{report}");
    let (begun, failed) = traffic.end().unwrap();

    // Every packet of that time was counted, by a program that nobody watched.
    assert!(after - before > 3 * 300, "{before} packets, then {after}");
    // Each connection was a new flow, once; wrk tries the address before it begins.
    let flows: u64 = scene
        .service("web")
        .unwrap()
        .backends
        .iter()
        .map(|b| b.new_flows)
        .sum();
    assert_eq!(flows, CROWD + 1 + WRK + begun);
    assert_eq!(failed, 0);
    let packets = scene.packets().unwrap();
    let reused = packets.get("flow_reused").copied().unwrap_or(0);
    assert_eq!(packets["flow_new"] + reused, flows, "{packets:?}");
    for reason in [
        "reset_no_flow",
        "reset_backend_gone",
        "reset_no_backend",
        "stray_reset",
    ] {
        assert_eq!(packets.get(reason), None, "{packets:?}");
    }
    let speed = report
        .lines()
        .find(|line| line.contains("requests in"))
        .unwrap_or_default();
    tell(format!(
        "agent dead for {} ms: {begun} new connections, {CROWD} established and {WRK} busy ones ({}), 0 failed, 0 reset",
        dead.as_millis(),
        speed.trim()
    ));
}

#[test]
fn a_restart_adopts_what_it_finds_and_keeps_what_the_operator_said() {
    let mut scene = Scene::start(Layout::one_arm(3), &[three()]).unwrap();
    scene.agent.lb_ok(["weight", "web/web-1", "50"]).unwrap();
    scene.agent.lb_ok(["drain", "web/web-3"]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 6).unwrap();
    for kill in [true, false] {
        let before = scene.agent.log().len();
        if kill {
            scene.agent.kill9();
        } else {
            scene.agent.stop().unwrap();
        }
        assert_order(&scene, ["web-2", "web-1", "web-2"]);
        scene.agent.restart().unwrap();
        let log = scene.agent.log().split_off(before);
        assert!(
            log.contains("found maps with 1 services, 3 backends, "),
            "{log}"
        );
        assert!(
            log.contains("eth0: took the place of the earlier program"),
            "{log}"
        );
        assert_kept(&scene, 50);
        assert_order(&scene, ["web-2", "web-1", "web-2"]);
    }
    crowd.is_content().unwrap();
}

#[test]
fn a_reload_keeps_what_the_operator_said_unless_the_file_changed_it() {
    let mut scene = Scene::start(Layout::one_arm(3), &[three()]).unwrap();
    scene.agent.lb_ok(["weight", "web/web-1", "50"]).unwrap();
    scene.agent.lb_ok(["drain", "web/web-3"]).unwrap();

    assert_eq!(
        scene.agent.lb_ok(["reload"]).unwrap().trim(),
        "nothing to change"
    );
    assert_kept(&scene, 50);
    // Another backend's weight is none of this one's.
    let other = web()
        .backend(1, "weight = 100")
        .backend(2, "weight = 25")
        .backend(3, "weight = 100");
    scene.reload(&[other]).unwrap();
    assert_kept(&scene, 50);
    assert_order(&scene, ["web-1", "web-2", "web-1"]);

    let changed = web()
        .backend(1, "weight = 25")
        .backend(2, "weight = 50")
        .backend(3, "weight = 100");
    let said = scene.reload(&[changed]).unwrap();
    assert!(
        said.contains("web/web-1: weight 50 -> 25, because the file changed it from 100"),
        "{said}"
    );
    assert_kept(&scene, 25);
    assert_order(&scene, ["web-2", "web-1", "web-2"]);

    // The same while no agent runs.
    scene.agent.lb_ok(["weight", "web/web-1", "50"]).unwrap();
    scene.agent.stop().unwrap();
    scene
        .agent
        .write_config(&scene.config(&[three()]).unwrap())
        .unwrap();
    scene.agent.restart().unwrap();
    assert_kept(&scene, 100);
}

#[test]
fn what_a_command_has_confirmed_outlives_a_kill_at_once() {
    let mut scene = Scene::start(Layout::one_arm(3), &[three()]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 20).unwrap();
    let traffic = scene.traffic(200).unwrap();
    let begun = Instant::now();
    for round in 1..=8_u16 {
        let weight = (round * 10).to_string();
        scene.agent.lb_ok(["weight", "web/web-1", &weight]).unwrap();
        let drained = format!("web/web-{}", round % 2 + 2);
        let ready = format!("web/web-{}", (round + 1) % 2 + 2);
        scene.agent.lb_ok(["drain", &drained]).unwrap();
        scene.agent.lb_ok(["ready", &ready]).unwrap();
        scene.agent.kill9();
        scene.agent.restart().unwrap();
        assert_eq!(scene.backend("web/web-1").unwrap().weight, round * 10);
        assert_eq!(scene.backend(&drained).unwrap().intent, Intent::Drain);
        assert_eq!(scene.backend(&ready).unwrap().intent, Intent::Ready);
    }
    crowd.is_content().unwrap();
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
}

#[test]
fn a_kill_in_the_middle_of_a_change_leaves_the_old_or_the_new() {
    let mut scene = Scene::start(Layout::one_arm(3), &[three()]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 20).unwrap();
    let traffic = scene.traffic(200).unwrap();
    let begun = Instant::now();
    let mut old = 100;
    for round in 0..10_u16 {
        let new = if old == 100 { 0 } else { 100 };
        let mut command = scene
            .agent
            .command(["weight", "web/web-1", &new.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Ever later: before the command has arrived, while it is carried out, after it was answered.
        thread::sleep(Duration::from_millis(u64::from(round) * 6));
        scene.agent.kill9();
        let confirmed = command.wait().unwrap().success();
        scene.agent.restart().unwrap();
        let now = scene.backend("web/web-1").unwrap().weight;
        assert!(
            now == new || (now == old && !confirmed),
            "{old} -> {new} gave {now}"
        );
        let tally = traffic.next("web", 60).unwrap();
        let served = tally.answers.get("web-1").copied().unwrap_or(0);
        let due = if now == 0 { 0 } else { tally.answered() / 3 };
        assert!(served.abs_diff(due) <= 2, "weight {now}: {tally:?}");
        old = now;
    }
    crowd.is_content().unwrap();
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
}

fn forwarded(scene: &Scene) -> u64 {
    let backends = scene.service("web").unwrap().backends;
    backends
        .iter()
        .map(|backend| backend.forwarded.packets)
        .sum()
}

/// The weight of web-1 in force, and the drain of web-3.
#[track_caller]
fn assert_kept(scene: &Scene, weight: u16) {
    let first = scene.backend("web/web-1").unwrap();
    assert_eq!(first.weight, weight);
    let third = scene.backend("web/web-3").unwrap();
    assert_eq!((third.intent, third.share), (Intent::Drain, 0.0));
}

/// Nine new connections are answered in this order, wherever in it they begin.
#[track_caller]
fn assert_order(scene: &Scene, order: [&str; 3]) {
    let answers = curl(&scene.lab, WEB[0], 9).unwrap();
    let fits = |start: usize| answers.iter().eq(order.iter().cycle().skip(start).take(9));
    assert!((0..3).any(fits), "{answers:?} is not {order:?} repeated");
}
