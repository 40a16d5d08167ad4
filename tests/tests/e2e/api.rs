//! The API without the command line: curl on the socket, as an operator's script would use it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use lb_agent::api::model::{Changed, Status};
use lb_tests::lab::{
    Layout, Scene,
    client::curl,
    scene::{WEB, web},
};

fn services() -> [lb_tests::lab::scene::Service; 1] {
    [web().backend(1, "weight = 2").backend(2, "weight = 1")]
}

/// curl from the balancer; gives the HTTP status code and the body.
fn ask(scene: &Scene, args: &[&str]) -> (u16, String) {
    let args = [&["-sS", "-w", "\n%{http_code}"], args].concat();
    let output = scene.lab.command("lb", "curl", args).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), body.to_owned())
}

fn over_the_socket(scene: &Scene, args: &[&str]) -> (u16, String) {
    let socket = scene.agent.socket().to_str().unwrap().to_owned();
    ask(scene, &[&["--unix-socket", &socket], args].concat())
}

#[test]
fn the_socket_is_its_owner_s_alone() {
    let scene = Scene::start(Layout::one_arm(2), &services()).unwrap();
    let mode = fs::metadata(scene.agent.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let state = scene.lab.run_dir().join("state.json");
    scene.agent.lb_ok(["weight", "web/web-1", "1"]).unwrap();
    assert_eq!(
        fs::metadata(state).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(scene.lab.pin_dir())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}

#[test]
fn curl_reads_and_changes_over_the_socket() {
    let scene = Scene::start(Layout::one_arm(2), &services()).unwrap();
    let (code, body) = over_the_socket(&scene, &["http://lb/v1/status"]);
    assert_eq!(code, 200);
    let status: Status = serde_json::from_str(&body).unwrap();
    assert_eq!(status.services[0].name, "web");

    let json = ["-H", "Content-Type: application/json", "-d"];
    let weight = r#"{"service":"web","backend":"web-1","weight":"1"}"#;
    let (code, body) = over_the_socket(
        &scene,
        &[&json[..], &[weight, "http://lb/v1/weight"]].concat(),
    );
    assert_eq!(code, 200, "{body}");
    let changed: Changed = serde_json::from_str(&body).unwrap();
    assert_eq!(changed.changes, ["web/web-1: weight 2 -> 1"]);
    let intent = r#"{"service":"web","backend":"web-2","intent":"drain"}"#;
    let (code, _) = over_the_socket(
        &scene,
        &[&json[..], &[intent, "http://lb/v1/intent"]].concat(),
    );
    assert_eq!(code, 200);
    assert_eq!(
        curl(&scene.lab, WEB[0], 3).unwrap(),
        ["web-1", "web-1", "web-1"]
    );

    for (body, path, expected) in [
        (
            r#"{"service":"web","backend":"web-9","weight":"1"}"#,
            "weight",
            404,
        ),
        (
            r#"{"service":"web","backend":"web-1","weight":"many"}"#,
            "weight",
            400,
        ),
        (r#"{"service":"web"}"#, "intent", 422),
        ("nonsense", "weight", 400),
        ("{}", "nonsense", 404),
    ] {
        let url = format!("http://lb/v1/{path}");
        let (code, answer) = over_the_socket(&scene, &[&json[..], &[body, &url]].concat());
        let error: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(
            error["error"]
                .as_str()
                .is_some_and(|error| !error.is_empty()),
            "{answer}"
        );
        // A body that is JSON but not the one wanted may be called either.
        assert!(
            code == expected || (expected == 422 && code == 400),
            "{body} to {path}: {code} {answer}"
        );
    }
}

#[test]
fn metrics_say_what_status_says() {
    let scene = Scene::start(Layout::one_arm(2), &services()).unwrap();
    assert_eq!(curl(&scene.lab, WEB[0], 30).unwrap().len(), 30);
    let (code, text) = over_the_socket(&scene, &["http://lb/metrics"]);
    assert_eq!(code, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        r#"lb_packets_total{service="web",reason="flow_new"} 30"#,
        r#"lb_backend_new_flows_total{service="web",backend="web-1"} 20"#,
        r#"lb_backend_new_flows_total{service="web",backend="web-2"} 10"#,
        r#"lb_backend_up{service="web",backend="web-1"} 1"#,
        r#"lb_backend_weight{service="web",backend="web-1"} 2"#,
    ] {
        let found = text
            .lines()
            .any(|found| found == line || found == format!("{line}.0"));
        assert!(found, "no `{line}` in:\n{text}");
    }
    let hits = scene.service("web").unwrap().reasons["flow_hit"].packets;
    assert!(
        text.contains(&format!(
            r#"lb_packets_total{{service="web",reason="flow_hit"}} {hits}"#
        )),
        "{text}"
    );
    // Every name is explained, and no line is neither name nor sample.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = name.trim_end_matches("_total");
        assert!(
            text.contains(&format!("# HELP {family} ")),
            "no help for {name}"
        );
    }
}

#[test]
fn metrics_are_on_tcp_only_where_the_file_says_so() {
    let mut scene = Scene::prepare("native", Layout::one_arm(2), &services()).unwrap();
    let config = scene.config(&services()).unwrap();
    let with = config.replacen("[agent]", "[agent]\nmetrics = \"127.0.0.1:9464\"", 1);
    scene.ip("lb", "link set lo up").unwrap();
    scene.agent.write_config(&with).unwrap();
    scene.agent.restart().unwrap();
    let (code, text) = ask(&scene, &["http://127.0.0.1:9464/metrics"]);
    assert_eq!((code, text.ends_with("# EOF\n")), (200, true));
    // Nothing else: that socket has no owner.
    assert_eq!(ask(&scene, &["http://127.0.0.1:9464/v1/status"]).0, 404);
    assert_eq!(
        ask(&scene, &["-d", "", "http://127.0.0.1:9464/v1/detach"]).0,
        404
    );

    scene.agent.stop().unwrap();
    scene.agent.write_config(&config).unwrap();
    scene.agent.restart().unwrap();
    let sockets = scene.lab.command("lb", "ss", ["-Hltn"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sockets.stdout), "");
}
