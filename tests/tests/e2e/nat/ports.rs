//! What an operator hears when the ports run out.

use std::{net::SocketAddr, thread, time::Duration};

use lb_tests::lab::{Layout, Scene, scene::Service};

use crate::udp::client;

/// The fewest ports that `nat_ports` may have.
const PORTS: u64 = 256;

#[test]
fn the_agent_says_once_that_no_port_is_left() {
    let services = [
        Service::new("dns", &["192.0.2.10:53/udp"])
            .with("forward = \"nat\"")
            .with("udp_idle = \"60s\"")
            .backend(1, ""),
        Service::new("idle", &["192.0.2.20:53/udp"])
            .with("forward = \"nat\"")
            .backend(1, ""),
    ];
    let mut scene = Scene::prepare("native", Layout::two_arm(1).ordinary(), &services).unwrap();
    let config = scene.config(&services).unwrap();
    let config = config.replace("[agent]\n", "[agent]\nnat_ports = \"1024-1279\"\n");
    scene.agent.write_config(&config).unwrap();
    scene.agent.restart().unwrap();
    scene.all_up().unwrap();
    let vip: SocketAddr = "192.0.2.10:53".parse().unwrap();
    let refused = |scene: &Scene| scene.packets().unwrap().get("no_port").copied();
    let ask = |scene: &Scene, times: u64| {
        for _ in 0..times {
            client(scene, vip).send(b"question").unwrap();
        }
    };
    let said = |scene: &Scene| scene.agent.log().matches("find no free port").count();

    ask(&scene, PORTS / 4);
    assert_eq!((refused(&scene), said(&scene)), (None, 0));
    ask(&scene, PORTS);
    scene.logged("dns: new flows find no free port").unwrap();
    let before = refused(&scene).unwrap();
    ask(&scene, PORTS / 4);
    assert!(refused(&scene).unwrap() > before);
    // The agent looks every half second.
    thread::sleep(Duration::from_secs(1));
    assert_eq!(said(&scene), 1, "{}", scene.agent.log());
}
