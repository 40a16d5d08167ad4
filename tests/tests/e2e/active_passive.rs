//! Backups: when they take over, which of them, and who gives the service back.

use std::time::{Duration, Instant};

use lb_agent::{api::model::Tier, health::Health};
use lb_tests::lab::{
    Layout, Scene,
    client::curl,
    scene::{Service, WEB, tell, web},
};

use crate::backend_death::session_on;

const TAKES_OVER: &[&str] = &["web-2"];

fn pair() -> Service {
    web().backend(1, "").backend(2, "backup = true")
}

#[test]
fn the_backup_serves_while_no_active_backend_can() {
    let mut scene = Scene::start(Layout::one_arm(2), &[pair()]).unwrap();
    assert_serving(&scene, Tier::Active, &["web-1"]);
    for (leave, return_) in [
        ("drain web/web-1", "ready web/web-1"),
        ("maint web/web-1", "ready web/web-1"),
        ("weight web/web-1 0", "weight web/web-1 1"),
    ] {
        let traffic = scene.traffic(200).unwrap();
        let begun = Instant::now();
        // The command's return is the moment: nothing to wait for.
        scene.agent.lb_ok(leave.split(' ')).unwrap();
        assert_serving(&scene, Tier::Backup, TAKES_OVER);
        scene.agent.lb_ok(return_.split(' ')).unwrap();
        assert_serving(&scene, Tier::Active, &["web-1"]);
        let all = traffic.settled("web", begun, Instant::now()).unwrap();
        assert_eq!(all.failures, [].into(), "around {leave}");
        assert!(all.answered() > 0);
        drop(traffic);
    }
    scene.kill_web(1);
    scene.until_health("web/web-1", Health::Down).unwrap();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);
    scene.start_web(1).unwrap();
    scene.until_health("web/web-1", Health::Up).unwrap();
    assert_serving(&scene, Tier::Active, &["web-1"]);
}

#[test]
fn the_first_usable_backup_serves_or_all_of_them() {
    let three = web()
        .backend(1, "")
        .backend(2, "backup = true\nweight = 10")
        .backend(3, "backup = true\nweight = 10");
    let first = three.clone().with("backups = \"first\"");
    let all = three.with("backups = \"all\"");
    let scene = Scene::start(Layout::one_arm(3), &[first]).unwrap();
    scene.agent.lb_ok(["drain", "web/web-1"]).unwrap();
    assert_serving(&scene, Tier::Backup, &["web-2"]);
    scene.agent.lb_ok(["drain", "web/web-2"]).unwrap();
    assert_serving(&scene, Tier::Backup, &["web-3"]);
    scene.agent.lb_ok(["ready", "web/web-2"]).unwrap();
    assert_serving(&scene, Tier::Backup, &["web-2"]);

    scene.reload(&[all]).unwrap();
    assert_serving(&scene, Tier::Backup, &["web-2", "web-3"]);
    scene.agent.lb_ok(["weight", "web/web-3", "20"]).unwrap();
    let answers = curl(&scene.lab, WEB[1], 30).unwrap();
    assert_eq!(answers.iter().filter(|name| *name == "web-3").count(), 20);
    scene.agent.lb_ok(["ready", "web/web-1"]).unwrap();
    assert_serving(&scene, Tier::Active, &["web-1"]);
}

#[test]
fn connections_on_the_backup_stay_there_after_failback() {
    let mut scene = Scene::start(Layout::one_arm(2), &[pair()]).unwrap();
    scene.kill_web(1);
    scene.until_health("web/web-1", Health::Down).unwrap();
    let mut sessions = WEB.map(|address| session_on(&scene, address, "web-2"));
    scene.start_web(1).unwrap();
    scene.until_health("web/web-1", Health::Up).unwrap();
    assert_serving(&scene, Tier::Active, &["web-1"]);
    for session in &mut sessions {
        assert_eq!(session.ask().unwrap(), "web-2");
    }
}

#[test]
fn a_delayed_failback_waits_for_its_time() {
    let delay = Duration::from_secs(2);
    let delayed = pair().with("failback_delay = \"2s\"");
    let mut scene = Scene::start(Layout::one_arm(2), &[delayed]).unwrap();
    let traffic = scene.traffic(200).unwrap();
    scene.kill_web(1);
    scene.until_health("web/web-1", Health::Down).unwrap();
    let begun = Instant::now();
    scene.start_web(1).unwrap();
    scene.until_health("web/web-1", Health::Up).unwrap();
    let up = Instant::now();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);
    let why = scene.backend("web/web-1").unwrap().why;
    assert_eq!(why, "usable, but the backup serves until failback");
    scene
        .until("the failback", |status| {
            status.services[0].serving == Tier::Active
        })
        .unwrap();
    let waited = up.elapsed();
    // The agent looks twice a second; it had seen the backend before we did.
    let early = Duration::from_millis(200);
    assert!(
        waited + early > delay && waited < delay + Duration::from_secs(1),
        "{waited:?}"
    );
    assert_serving(&scene, Tier::Active, &["web-1"]);
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
    tell(format!(
        "failback after {waited:.1?} where 2 s were asked for, 0 failed"
    ));
}

#[test]
fn a_manual_failback_waits_for_the_operator() {
    let manual = pair().with("failback = \"manual\"");
    let mut scene = Scene::start(Layout::one_arm(2), &[manual]).unwrap();
    scene.kill_web(1);
    scene.until_health("web/web-1", Health::Down).unwrap();
    scene.start_web(1).unwrap();
    scene.until_health("web/web-1", Health::Up).unwrap();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);
    // Neither a dead nor a stopped agent takes that for the operator's word.
    scene.agent.kill9();
    scene.agent.restart().unwrap();
    scene.all_up().unwrap();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);

    let said = scene.agent.lb_ok(["ready", "web/web-1"]).unwrap();
    assert_eq!(said.trim(), "web: given back to its active backends");
    assert_serving(&scene, Tier::Active, &["web-1"]);

    // Where the backup itself fails, nobody is asked.
    scene.agent.lb_ok(["drain", "web/web-1"]).unwrap();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);
    scene.agent.lb_ok(["weight", "web/web-1", "3"]).unwrap();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);
    scene.agent.lb_ok(["ready", "web/web-1"]).unwrap();
    assert_serving(&scene, Tier::Active, &["web-1"]);
    scene.agent.lb_ok(["drain", "web/web-1"]).unwrap();
    scene.agent.lb_ok(["drain", "web/web-2"]).unwrap();
    assert_eq!(scene.service("web").unwrap().serving, Tier::None);
    scene.agent.lb_ok(["ready", "web/web-2"]).unwrap();
    assert_serving(&scene, Tier::Backup, TAKES_OVER);
}

/// The tier the agent names, and the servers that new connections meet over either family.
#[track_caller]
fn assert_serving(scene: &Scene, tier: Tier, servers: &[&str]) {
    assert_eq!(scene.service("web").unwrap().serving, tier);
    for address in WEB {
        let mut answers = curl(&scene.lab, address, 4).unwrap();
        answers.sort();
        answers.dedup();
        assert_eq!(answers, servers);
    }
}
