//! Two agents in one place, and maps that this build does not understand.

use std::{fs, path::Path, time::Duration};

use aya::maps::{Array, Map, MapData};
use lb_tests::lab::{
    Layout, Process, Scene, binary,
    client::curl,
    scene::{WEB, web},
};

fn scene(layout: Layout) -> Scene {
    let services = [web().backend(1, "weight = 2").backend(2, "weight = 1")];
    Scene::start(layout, &services).unwrap()
}

#[test]
fn the_second_agent_is_refused_with_the_first_one_s_pid() {
    let mut scene = scene(Layout::one_arm(2));
    let pid = scene.agent.pid().unwrap();
    let config = scene
        .config(&[web().backend(1, "").backend(2, "")])
        .unwrap();
    let moved = |what: &str| config.replace(what, &format!("other-{what}"));

    let pins = fs::read_dir(scene.lab.pin_dir()).unwrap().count();
    // Everything is its own but the interface.
    let own = moved("lb.sock").replace("bpf/lb-e2e", "bpf/lb-e2e/second");
    let said = refused(&scene, &own);
    let expected =
        format!("interface eth0 is served by the agent with pid {pid}: stop that one first");
    assert!(said.contains(&expected), "{said}");
    let _ = fs::remove_dir(scene.lab.pin_dir().join("second"));

    // Everything is its own but the pin directory.
    let own = moved("lb.sock").replace("name = \"eth0\"", "name = \"lo\"");
    let said = refused(&scene, &own);
    let expected = format!("is served by the agent with pid {pid}: stop that one first");
    assert!(
        said.contains("pin directory") && said.contains(&expected),
        "{said}"
    );

    let said = refused(&scene, &config);
    let expected = format!("the agent with pid {pid} already answers at");
    assert!(said.contains(&expected), "{said}");

    // The first has noticed nothing.
    assert_eq!(scene.agent.status().unwrap().pid, pid);
    assert_eq!(fs::read_dir(scene.lab.pin_dir()).unwrap().count(), pins);
    assert_serves(&scene);
    // It gives its place up when it ends, however it ends.
    scene.agent.kill9();
    scene.agent.restart().unwrap();
}

#[test]
fn agents_on_different_interfaces_live_side_by_side() {
    let scene = scene(Layout::two_arm(2));
    let config = scene
        .config(&[web().backend(1, "").backend(2, "")])
        .unwrap();
    let config = config
        .replace("lb.sock", "other.sock")
        .replace("state.json", "other.json")
        .replace("bpf/lb-e2e", "bpf/lb-e2e/second")
        .replace("name = \"eth0\"", "name = \"eth1\"");
    let mut second = start(&scene, &config);
    let socket = scene.lab.run_dir().join("other.sock");
    let answers = || {
        let args = ["--api", socket.to_str().unwrap(), "status", "--json"];
        scene.agent.lb(args).unwrap().status.success()
    };
    lb_tests::lab::wait_until(Duration::from_secs(10), "the second agent", answers).unwrap();
    assert_serves(&scene);
    second.signal(rustix::process::Signal::TERM).unwrap();
    assert!(second.wait(Duration::from_secs(5)).unwrap().success());
    let pins = scene.lab.pin_dir().join("second");
    scene
        .agent
        .lb_ok([
            "--api",
            socket.to_str().unwrap(),
            "detach",
            "--pin-dir",
            pins.to_str().unwrap(),
        ])
        .unwrap();
    assert_serves(&scene);
}

#[test]
fn maps_of_another_build_are_left_alone() {
    let mut scene = scene(Layout::one_arm(2));
    scene.agent.lb_ok(["weight", "web/web-1", "1"]).unwrap();
    scene.agent.lb_ok(["weight", "web/web-1", "100%"]).unwrap();
    scene.agent.kill9();
    let control = scene.lab.pin_dir().join("LB_CONTROL");
    let own = abi(&control, None);
    abi(&control, Some(own + 98));

    let error = scene.agent.restart().unwrap_err().to_string();
    let expected = format!("have layout {}, this build needs layout {own}", own + 98);
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains("lb detach"), "{error}");
    assert_eq!(abi(&control, None), own + 98);
    assert_serves(&scene);

    // The build that wrote them takes over where it left.
    abi(&control, Some(own));
    scene.agent.restart().unwrap();
    assert_serves(&scene);

    // And what the message advises works.
    scene.agent.kill9();
    abi(&control, Some(own + 1));
    let pins = scene.lab.pin_dir();
    scene
        .agent
        .lb_ok(["detach", "--pin-dir", pins.to_str().unwrap()])
        .unwrap();
    scene.agent.restart().unwrap();
    assert_serves(&scene);
}

/// Reads, or first changes, the layout number: the first word of the only entry.
fn abi(control: &Path, number: Option<u32>) -> u32 {
    let map = Map::Array(MapData::from_pin(control).unwrap());
    let mut map: Array<_, [u32; 16]> = map.try_into().unwrap();
    let mut record = map.get(&0, 0).unwrap();
    if let Some(number) = number {
        record[0] = number;
        map.set(0, record, 0).unwrap();
    }
    record[0]
}

fn assert_serves(scene: &Scene) {
    for address in WEB {
        let answers = curl(&scene.lab, address, 6).unwrap();
        assert_eq!(
            answers.iter().filter(|name| *name == "web-1").count(),
            4,
            "{answers:?}"
        );
    }
}

/// Starts another agent with this configuration.
fn start(scene: &Scene, config: &str) -> Process {
    let file = scene.lab.run_dir().join("second.toml");
    let log = scene.lab.run_dir().join("second.log");
    let _ = fs::remove_file(&log);
    fs::write(&file, config).unwrap();
    let args = ["agent", "--config", file.to_str().unwrap()];
    let command = scene
        .lab
        .command("lb", binary::lb().unwrap().canonicalize().unwrap(), args);
    Process::start(command, &log).unwrap()
}

/// What another agent with this configuration says when it ends, which it does at once.
fn refused(scene: &Scene, config: &str) -> String {
    let mut process = start(scene, config);
    let status = process.wait(Duration::from_secs(5)).unwrap();
    assert_eq!(status.code(), Some(1), "{}", process.log());
    process.log()
}
