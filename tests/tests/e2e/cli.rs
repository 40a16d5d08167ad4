//! The command line with an agent: what it shows, what it changes, what it refuses.

use std::{net::SocketAddr, time::Duration};

use lb_agent::api::model::{Changed, Explanation, FlowStatus, Intent, Status};
use lb_tests::lab::{
    Layout, Scene,
    client::Session,
    layout,
    scene::{WEB, web},
    wait_until,
};
use serde::de::DeserializeOwned;

fn scene() -> Scene {
    let services = [web().backend(1, "weight = 100").backend(2, "weight = 100")];
    Scene::start(Layout::one_arm(2), &services).unwrap()
}

/// What a verb prints as JSON.
fn json<T: DeserializeOwned>(scene: &Scene, args: &str) -> T {
    let text = scene.agent.lb_ok(args.split(' ')).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("lb {args}: {error}: {text}"))
}

/// What a verb says that is refused.
fn refused(scene: &Scene, args: &str) -> String {
    let output = scene.agent.lb(args.split(' ')).unwrap();
    assert_eq!(output.status.code(), Some(1), "lb {args}");
    assert_eq!(output.stdout, b"", "lb {args}");
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[test]
fn every_change_is_told_as_json_and_logged_with_who_did_it() {
    let scene = scene();
    for (args, changes) in [
        (
            "weight web/web-1 50 --json",
            ["web/web-1: weight 100 -> 50"].as_slice(),
        ),
        ("weight web/web-1 50 --json", &[]),
        (
            "weight web/web-1 25% --json",
            &["web/web-1: weight 50 -> 25"],
        ),
        ("drain web/web-1 --json", &["web/web-1: ready -> drain"]),
        ("drain web/web-1 --json", &[]),
        ("maint web/web-1 --json", &["web/web-1: drain -> maint"]),
        ("ready web/web-1 --json", &["web/web-1: maint -> ready"]),
        ("reload --json", &[]),
    ] {
        let Changed { changes: told } = json(&scene, args);
        assert_eq!(told, changes, "lb {args}");
        for change in changes {
            scene
                .logged(&format!("INFO {change} (by uid 0, pid "))
                .unwrap();
        }
    }
    let said = scene.agent.lb_ok(["weight", "web/web-1"]).unwrap();
    assert_eq!(said.trim(), "web/web-1: weight 25 (100 in the file)");
    let weights: serde_json::Value = json(&scene, "weight web/web-1 --json");
    assert_eq!(
        weights,
        serde_json::json!({ "weight": 25, "configured_weight": 100 })
    );
    assert_eq!(
        scene.agent.lb_ok(["drain", "web/web-2"]).unwrap().trim(),
        "web/web-2: ready -> drain"
    );
    assert_eq!(
        scene.agent.lb_ok(["drain", "web/web-2"]).unwrap().trim(),
        "nothing to change"
    );
    assert_eq!(scene.backend("web/web-2").unwrap().intent, Intent::Drain);
}

#[test]
fn refusals_say_the_mend_and_change_nothing() {
    let scene = scene();
    let backends = "lb: no backend `web-3` in service `web`; it has web-1, web-2";
    let services = "lb: no service `db`; there are web";
    let weight = |text: &str| {
        format!(
            "lb: weight `{text}` is not understood: give 0 to 256, or 0% to 100% of the file's 100"
        )
    };
    for (args, said) in [
        ("drain web/web-3", backends),
        ("ready web/web-3", backends),
        ("maint web/web-3 --json", backends),
        ("weight web/web-3", backends),
        ("weight web/web-3 5", backends),
        ("drain db/web-1", services),
        ("weight db/web-1", services),
        ("status db", services),
        (
            "flows --service db",
            "lb: no service `db`; `lb status` lists those there are",
        ),
        ("weight web/web-1 257", &weight("257")),
        ("weight web/web-1 101%", &weight("101%")),
        ("weight web/web-1 ten", &weight("ten")),
        (
            "explain here:1 192.0.2.10:80",
            "lb: source `here:1` is not an address and port: write 198.51.100.7:40000 or [2001:db8::7]:40000",
        ),
        (
            "explain [2001:db8::7]:1 192.0.2.10:80",
            "lb: [2001:db8::7]:1 and 192.0.2.10:80 are of different families",
        ),
        (
            "explain 198.51.100.7:1 192.0.2.10:80/icmp",
            "lb: protocol `icmp` is not understood: tcp or udp",
        ),
    ] {
        assert_eq!(refused(&scene, args), said, "lb {args}");
    }
    for name in ["web/web-1", "web/web-2"] {
        let backend = scene.backend(name).unwrap();
        assert_eq!(
            (backend.weight, backend.intent, backend.share),
            (100, Intent::Ready, 0.5)
        );
    }
}

#[test]
fn status_shows_configured_beside_effective() {
    let mut scene = scene();
    scene.agent.lb_ok(["weight", "web/web-1", "50"]).unwrap();
    scene.agent.lb_ok(["maint", "web/web-2"]).unwrap();
    let status: Status = json(&scene, "status web --json");
    assert_eq!(status.pid, scene.agent.pid().unwrap());
    assert_eq!(status.services.len(), 1);
    let backend = &status.services[0].backends[0];
    assert_eq!((backend.weight, backend.configured_weight), (50, 100));
    let text = scene.agent.lb_ok(["status"]).unwrap();
    let line = |name: &str| {
        text.lines()
            .find(|line| line.trim().starts_with(name))
            .unwrap()
            .to_owned()
    };
    for part in [
        "10.77.0.11",
        "50 (file 100)",
        "up",
        "ready",
        "100.0 %",
        "serves",
    ] {
        assert!(line("web-1").contains(part), "no `{part}` in:\n{text}");
    }
    for part in ["maint", "0.0 %", "maintenance, by the operator"] {
        assert!(line("web-2").contains(part), "no `{part}` in:\n{text}");
    }
    assert!(text.contains("on eth0 (native)"), "{text}");

    let heading = format!("lb {}, pid {}", status.version, status.pid);
    let mut watch = lb_tests::lab::Process::start(
        scene.agent.command(["status", "--watch"]),
        &scene.lab.run_dir().join("watch.log"),
    )
    .unwrap();
    wait_until(Duration::from_secs(5), "the second look", || {
        watch.log().matches(&heading).count() >= 2
    })
    .unwrap();
    assert!(watch.is_running());
}

#[test]
fn explain_agrees_with_what_then_happens() {
    let scene = scene();
    let [v4, v6] = {
        let client = scene.lab.addresses("client").unwrap();
        [client.v4.into(), client.v6.into()]
    };
    for (address, ip) in WEB.into_iter().zip([v4, v6]) {
        for port in 41_000..41_006 {
            let client = SocketAddr::new(ip, port);
            let question = format!("explain {client} {address} --json");
            let before = scene.packets().unwrap();
            let foretold: Explanation = json(&scene, &question);
            // Asking changes neither counters nor whose turn it is.
            let again: Explanation = json(&scene, &question);
            assert_eq!(again.first, foretold.first);
            let after = scene.packets().unwrap();
            assert_eq!(after.get("flow_new"), before.get("flow_new"));
            let (first, later) = (&foretold.first, &foretold.later);
            assert_eq!(
                (first.action.as_str(), first.reason.as_str()),
                ("forward", "flow_new")
            );
            assert_eq!(
                (later.action.as_str(), later.reason.as_str()),
                ("reset", "reset_no_flow")
            );
            let backend = first.backend.clone().unwrap();
            let node = backend.replace("web-", "be");
            let mac = scene
                .lab
                .addresses(&node)
                .unwrap()
                .mac
                .map(|byte| format!("{byte:02x}"))
                .join(":");
            assert_eq!(first.next_hop, Some(mac));
            assert_eq!(first.interface.as_deref(), Some("eth0"));

            let mut session = Session::open_from(&scene.lab, port, address).unwrap();
            assert_eq!(session.ask().unwrap(), backend);
            let established: Explanation = json(&scene, &question);
            assert_eq!(established.later.reason, "flow_hit");
            assert_eq!(established.later.backend, Some(backend.clone()));
            let text = scene
                .agent
                .lb_ok(["explain", &client.to_string(), &address.to_string()])
                .unwrap();
            assert!(
                text.contains(&format!("forward to web/{backend}")),
                "{text}"
            );
        }
    }
    let other: Explanation = json(
        &scene,
        &format!("explain 10.77.0.1:1 {}:81 --json", layout::WEB_V4),
    );
    assert_eq!(
        (other.first.action.as_str(), other.first.reason.as_str()),
        ("pass", "no_service")
    );
    for backend in ["web/web-1", "web/web-2"] {
        scene.agent.lb_ok(["drain", backend]).unwrap();
    }
    let nobody: Explanation = json(&scene, "explain 10.77.0.1:1 192.0.2.10:80/tcp --json");
    assert_eq!(
        (nobody.first.action.as_str(), nobody.first.reason.as_str()),
        ("reset", "reset_no_backend")
    );
}

#[test]
fn flows_shows_the_flow_while_it_lives() {
    let scene = scene();
    assert_eq!(json::<Vec<FlowStatus>>(&scene, "flows --json").len(), 0);
    for address in WEB {
        let mut session = Session::open(&scene.lab, address).unwrap();
        let server = session.ask().unwrap();
        let client = session.client().unwrap().to_string();
        let of = |client: &str| {
            let flows: Vec<FlowStatus> = json(&scene, "flows --service web --json");
            flows
                .into_iter()
                .find(|flow| flow.client == client)
                .unwrap()
        };
        let flow = of(&client);
        assert_eq!(
            (
                flow.service.as_str(),
                flow.backend.as_str(),
                flow.protocol.as_str(),
                flow.vip,
                flow.state.as_str()
            ),
            ("web", server.as_str(), "tcp", address.to_string(), "open")
        );
        assert!(
            flow.idle_ms <= flow.age_ms && flow.age_ms < 3000,
            "{} {}",
            flow.idle_ms,
            flow.age_ms
        );
        let text = scene.agent.lb_ok(["flows"]).unwrap();
        let line = text.lines().find(|line| line.contains(&client)).unwrap();
        assert!(line.contains(&server) && line.contains("open"), "{text}");
        assert_eq!(scene.backend(&format!("web/{server}")).unwrap().flows, 1);
        drop(session);
        wait_until(Duration::from_secs(2), "the flow to be closed", || {
            of(&client).state == "closed"
        })
        .unwrap();
    }
}
