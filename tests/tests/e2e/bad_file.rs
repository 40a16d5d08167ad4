//! A file with a mistake changes nothing, wherever it is met.

use std::time::Instant;

use lb_tests::lab::{
    Layout, Scene,
    scene::{Service, web},
};

fn two() -> Service {
    web().backend(1, "weight = 100").backend(2, "weight = 50")
}

#[test]
fn a_bad_file_leaves_the_running_state_as_it_is() {
    let mut scene = Scene::start(Layout::one_arm(2), &[two()]).unwrap();
    scene.agent.lb_ok(["weight", "web/web-2", "100"]).unwrap();
    let traffic = scene.traffic(200).unwrap();
    let begun = Instant::now();
    let good = scene.config(&[two()]).unwrap();
    let before = settings(&scene);
    let mistakes = [
        ("weight = 50", "wieght = 50", "is not a known key"),
        ("weight = 50", "weight = 257", "257 is outside 0..=256"),
        ("\"web-2\"", "\"web-1\"", "web-1"),
        ("10.77.0.12", "10.77.0.300", "10.77.0.300"),
        ("\"web\"", "\"web", "expected `\"`"),
    ];
    for (right, wrong, words) in mistakes {
        let bad = good.replace(right, wrong);
        let line = 1 + good
            .lines()
            .zip(bad.lines())
            .position(|(a, b)| a != b)
            .unwrap();
        scene.agent.write_config(&bad).unwrap();
        let said = refused(&scene);
        assert!(said.contains(words), "no `{words}` in: {said}");
        let place = format!("{}:{line}:", scene.agent.config().display());
        assert!(said.contains(&place), "no `{place}` in: {said}");
        assert_eq!(settings(&scene), before);
        let split = traffic.next("web", 50).unwrap();
        assert!(
            split.answers["web-1"].abs_diff(split.answers["web-2"]) <= 2,
            "{split:?}"
        );
    }
    // Mistakes that the file alone does not show.
    scene
        .agent
        .write_config(&good.replace("\"eth0\"", "\"eth9\""))
        .unwrap();
    assert!(refused(&scene).contains("there is no interface eth9"));
    std::fs::remove_file(scene.agent.config()).unwrap();
    assert!(refused(&scene).contains("lb.toml"));
    assert_eq!(settings(&scene), before);

    // SIGHUP is the same command without an answer.
    scene.agent.write_config("nonsense").unwrap();
    let pid = scene.agent.pid().unwrap().to_string();
    let hup = |scene: &Scene| {
        assert!(
            scene
                .lab
                .command("lb", "kill", ["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        )
    };
    hup(&scene);
    scene.logged("ERROR reload: ").unwrap();
    assert_eq!(settings(&scene), before);
    scene
        .agent
        .write_config(&good.replace("weight = 100", "weight = 25"))
        .unwrap();
    hup(&scene);
    scene
        .until("the good file", |status| {
            status.services[0].backends[0].weight == 25
        })
        .unwrap();
    assert_eq!(scene.backend("web/web-2").unwrap().weight, 100);

    // An agent that cannot start leaves the forwarding to the program that is there.
    scene.agent.kill9();
    scene.agent.write_config("nonsense").unwrap();
    let error = scene.agent.restart().unwrap_err().to_string();
    assert!(error.contains("lb.toml:1"), "{error}");
    traffic.next("web", 50).unwrap();
    let all = traffic.settled("web", begun, Instant::now()).unwrap();
    assert_eq!(all.failures, [].into());
}

#[test]
fn a_missing_interface_keeps_the_program_off_the_others() {
    let scene = Scene::start(Layout::two_arm(2), &[two()]).unwrap();
    let good = scene.config(&[two()]).unwrap();
    let more = "[[interface]]\nname = \"eth1\"\n[[interface]]\nname = \"eth9\"\n";
    scene
        .agent
        .write_config(&format!("{good}\n{more}"))
        .unwrap();
    let before = settings(&scene);
    assert!(refused(&scene).contains("there is no interface eth9"));
    assert_eq!(settings(&scene), before);
    let link = scene.ip("lb", "link show eth1").unwrap();
    assert!(!link.contains("xdp"), "{link}");
    assert!(!scene.lab.pin_dir().join("link-eth1").exists());
}

/// What `lb reload` says when it refuses.
fn refused(scene: &Scene) -> String {
    let output = scene.agent.lb(["reload"]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a reload could have changed.
fn settings(scene: &Scene) -> String {
    let status = scene.agent.status().unwrap();
    let backends = status.services.iter().flat_map(|service| &service.backends);
    let backends: Vec<_> = backends
        .map(|b| {
            (
                &b.name,
                &b.address,
                b.weight,
                b.configured_weight,
                b.intent,
                b.share.to_string(),
            )
        })
        .collect();
    let interfaces: Vec<_> = status
        .interfaces
        .iter()
        .map(|interface| &interface.name)
        .collect();
    format!("{interfaces:?} {backends:?}")
}
