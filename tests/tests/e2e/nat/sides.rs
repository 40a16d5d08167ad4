//! A balancer between several networks, each with clients and services of its own.

use std::process::Command;

use lb_tests::lab::{
    Layout, Scene,
    client::curl,
    scene::{PROBE, Service},
};

/// What a node gets from a service address.
fn fetched(scene: &Scene, node: &str, vip: &str) -> String {
    let url = format!("http://{vip}/ends");
    let args = ["-sS", "--fail", "--max-time", "5", &url];
    let mut command: Command = scene.lab.command(node, "curl", args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{node} from {vip}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn each_interface_has_clients_and_services_of_its_own() {
    let nat = |name, listen: &str| {
        Service::new(name, &[listen])
            .with(PROBE)
            .with("forward = \"nat\"")
    };
    // The one's clients are on eth0, the other's on eth2, where one of them is a backend of the first.
    let services = [
        nat("web", "192.0.2.10:80/tcp")
            .backend(1, "")
            .backend(2, ""),
        nat("db", "192.0.2.20:80/tcp").backend(1, ""),
    ];
    let scene = Scene::start(Layout::two_arm(2).ordinary(), &services).unwrap();
    scene
        .ip("be2", "route add 192.0.2.20/32 via 10.77.2.1")
        .unwrap();
    let web = "192.0.2.10:80".parse().unwrap();
    let ends = "10.77.1.1 10.77.1.2 80";
    for _ in 0..2 {
        assert_eq!(curl(&scene.lab, web, 2).unwrap(), ["web-1", "web-2"]);
        assert_eq!(fetched(&scene, "be2", "192.0.2.20"), ends);
        // A service is not bound to an interface.
        assert_eq!(fetched(&scene, "client", "192.0.2.20"), ends);
    }
    let interfaces = scene.agent.status().unwrap().interfaces;
    assert_eq!(interfaces.len(), 3, "{interfaces:?}");
}
