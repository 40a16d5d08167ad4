//! From a command's return every new flow obeys it, and no connection fails on the way.

use std::time::Instant;

use lb_tests::lab::{
    Layout, Scene,
    client::{Crowd, Tally},
    scene::{Service, WEB, tell, web},
};

fn two() -> Service {
    web().backend(1, "weight = 100").backend(2, "weight = 100")
}

/// Connections per second of the load.
const RATE: u32 = 400;

#[test]
fn a_drained_backend_gets_nothing_from_the_command_s_return() {
    let scene = Scene::start(Layout::one_arm(2), &[two()]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 40).unwrap();
    let traffic = scene.traffic(RATE).unwrap();
    let begun = Instant::now();
    for (forbid, allow) in [
        (
            ["drain", "web/web-1"].as_slice(),
            ["ready", "web/web-1"].as_slice(),
        ),
        (&["maint", "web/web-1"], &["ready", "web/web-1"]),
        (
            &["weight", "web/web-1", "0"],
            &["weight", "web/web-1", "100"],
        ),
    ] {
        let both = traffic.next("web", 100).unwrap();
        assert_split(&both, "web-1", 1, 2);
        scene.agent.lb_ok(forbid).unwrap();
        let given = scene.backend("web/web-1").unwrap().new_flows;
        let other = traffic.next("web", 300).unwrap();
        assert_split(&other, "web-1", 0, 1);
        assert_eq!(
            scene.backend("web/web-1").unwrap().new_flows,
            given,
            "after {forbid:?}"
        );
        // Those it had before are with it still.
        crowd.is_content().unwrap();
        scene.agent.lb_ok(allow).unwrap();
    }
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
    assert_eq!(crowd.mood().members["web-1"], 20);
}

#[test]
fn fifty_weight_changes_under_load_cost_nothing() {
    let scene = Scene::start(Layout::one_arm(2), &[two()]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 40).unwrap();
    let traffic = scene.traffic(RATE).unwrap();
    let begun = Instant::now();
    for change in 0..50 {
        let weight = [0, 1, 50, 99, 256][change % 5].to_string();
        scene.agent.lb_ok(["weight", "web/web-1", &weight]).unwrap();
    }
    let took = begun.elapsed();
    scene.agent.lb_ok(["weight", "web/web-1", "50"]).unwrap();
    let third = traffic.next("web", 300).unwrap();
    assert_split(&third, "web-1", 1, 3);
    crowd.is_content().unwrap();
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
    tell(format!(
        "50 weight changes in {took:.0?} under {RATE} connections/s: {} answered, 0 failed, p99 {:.1?}",
        all.answered(),
        all.latency(0.99).unwrap()
    ));
}

#[test]
fn a_reload_that_replaces_every_backend_refuses_nobody() {
    let scene = Scene::start(Layout::one_arm(4), &[two()]).unwrap();
    let crowd = Crowd::gather(&scene.lab.namespace("client"), &WEB, 20).unwrap();
    let traffic = scene.traffic(RATE).unwrap();
    let begun = Instant::now();
    let others = web().backend(3, "").backend(4, "");
    for (services, first) in [(&others, "web-3"), (&two(), "web-1")].repeat(5) {
        scene.reload(std::slice::from_ref(services)).unwrap();
        let tally = traffic.next("web", 50).unwrap();
        assert_split(&tally, first, 1, 2);
    }
    crowd.is_content().unwrap();
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
}

/// `server` has `part` of `whole` of the answers, exactly but for the ends of the window.
fn assert_split(tally: &Tally, server: &str, part: u64, whole: u64) {
    let served = tally.answers.get(server).copied().unwrap_or_default();
    let due = tally.answered() * part / whole;
    let slack = if part == 0 { 0 } else { 2 };
    assert!(
        served.abs_diff(due) <= slack && tally.answered() > 0,
        "{server} is due {due}: {tally:?}"
    );
}
