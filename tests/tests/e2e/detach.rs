//! `lb detach` leaves nothing behind and says what was there.

use std::{io, time::Duration};

use lb_tests::lab::{
    Layout, Scene,
    client::{Session, curl},
    scene::{WEB, web},
};

fn scene() -> Scene {
    let services = [web().backend(1, "").backend(2, "")];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    for address in WEB {
        curl(&scene.lab, address, 2).unwrap();
    }
    scene
}

#[test]
fn detach_ends_a_running_agent_and_removes_everything() {
    let mut scene = scene();
    let said = scene.agent.lb_ok(["detach"]).unwrap();
    assert_gone(&scene, &said);
    lb_tests::lab::wait_until(Duration::from_secs(5), "the agent's end", || {
        scene.agent.pid().is_none()
    })
    .unwrap();
    assert!(!scene.agent.socket().exists());
    assert_eq!(scene.agent.lb(["status"]).unwrap().status.code(), Some(3));
    starts_anew(&mut scene);
}

#[test]
fn detach_needs_no_agent() {
    let mut scene = scene();
    scene.agent.kill9();
    let pins = scene.lab.pin_dir().to_str().unwrap().to_owned();
    let json = scene
        .agent
        .lb_ok(["detach", "--pin-dir", &pins, "--json"])
        .unwrap();
    let changed: lb_agent::api::model::Changed = serde_json::from_str(&json).unwrap();
    let said: Vec<_> = changed
        .changes
        .iter()
        .map(|change| format!("removed {change}"))
        .collect();
    assert_gone(&scene, &said.join("\n"));
    starts_anew(&mut scene);
}

#[test]
fn detach_does_not_pull_the_pins_from_under_an_agent_elsewhere() {
    let mut scene = scene();
    let pins = scene.lab.pin_dir().to_str().unwrap().to_owned();
    let args = ["--api", "/run/lb-nobody.sock", "detach", "--pin-dir", &pins];
    let output = scene.agent.lb(args).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let pid = scene.agent.pid().unwrap();
    assert!(
        said.contains(&format!("is served by the agent with pid {pid}")),
        "{said}"
    );
    for address in WEB {
        curl(&scene.lab, address, 2).unwrap();
    }
}

fn assert_gone(scene: &Scene, said: &str) {
    let pins = scene.lab.pin_dir();
    for part in [
        format!(
            "removed XDP program from eth0 (pin {}/link-eth0)",
            pins.display()
        ),
        format!("removed map LB_CONTROL (pin {}/LB_CONTROL)", pins.display()),
        format!("removed map LB_FLOWS (pin {}/LB_FLOWS)", pins.display()),
        format!("removed directory {}", pins.display()),
    ] {
        assert!(
            said.lines().any(|line| line == part),
            "no `{part}` in:\n{said}"
        );
    }
    assert!(!pins.exists());
    let link = scene.ip("lb", "link show eth0").unwrap();
    assert!(!link.contains("xdp"), "{link}");
    // The host has no such address and does not forward: nobody answers.
    for address in WEB {
        let error =
            Session::open_within(&scene.lab, Duration::from_millis(300), address).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
    }
}

/// As if there had never been another.
fn starts_anew(scene: &mut Scene) {
    let before = scene.agent.log().len();
    scene.agent.restart().unwrap();
    let log = scene.agent.log().split_off(before);
    assert!(
        log.contains("eth0: attached, native XDP") && !log.contains("found maps"),
        "{log}"
    );
    assert_eq!(scene.service("web").unwrap().reasons, [].into());
    for address in WEB {
        curl(&scene.lab, address, 2).unwrap();
    }
}
