//! Where on an interface the program runs, and what is said where it cannot.

use lb_tests::lab::{
    Layout, Scene,
    client::curl,
    scene::{Service, WEB, web},
};

fn services() -> [Service; 1] {
    [web().backend(1, "").backend(2, "")]
}

#[test]
fn auto_is_native_where_the_driver_can() {
    let scene = Scene::start_with("auto", Layout::one_arm(2), &services()).unwrap();
    assert_eq!(mode(&scene), "native");
    // The kernel's own word.
    let link = scene.ip("lb", "link show eth0").unwrap();
    assert!(
        link.contains(" xdp ") && !link.contains("xdpgeneric"),
        "{link}"
    );
    let mut answers = curl(&scene.lab, WEB[0], 2).unwrap();
    answers.sort();
    assert_eq!(answers, ["web-1", "web-2"]);
}

#[test]
fn auto_is_generic_with_a_warning_where_it_cannot() {
    let scene = on_a_bridge("auto");
    assert_eq!(mode(&scene), "generic");
    let log = scene.agent.log();
    let warning = log
        .lines()
        .find(|line| line.contains("WARN br9: generic XDP"));
    let warning = warning.unwrap_or_else(|| panic!("no warning in:\n{log}"));
    assert!(
        warning.contains("the driver of br9 cannot do native XDP"),
        "{warning}"
    );
    let mut answers = curl(&scene.lab, WEB[0], 2).unwrap();
    answers.sort();
    assert_eq!(answers, ["web-1", "web-2"]);
}

#[test]
fn what_an_interface_cannot_do_is_told() {
    let scene = on_a_bridge("auto");
    let lack = "no XDP in the driver: packets take the generic mode, several times slower";
    let said = format!("br9 (driver bridge): {lack}");
    scene.logged(&said).unwrap();
    let shown = scene.agent.lb_ok(["status"]).unwrap();
    assert!(shown.contains(&said), "{shown}");

    // A veth sends nothing of others as long as nothing at its other end listens.
    for line in [
        "link add eth8 type veth peer name eth9",
        "link set eth8 up",
        "link set eth9 up",
    ] {
        scene.ip("lb", line).unwrap();
    }
    let config = std::fs::read_to_string(scene.agent.config()).unwrap();
    let more = format!("{config}\n[[interface]]\nname = \"eth8\"\n");
    scene.agent.write_config(&more).unwrap();
    scene.agent.lb_ok(["reload"]).unwrap();
    let status = scene.agent.status().unwrap();
    let lacks = status.interfaces.iter().map(|interface| {
        (
            interface.name.as_str(),
            interface.driver.as_str(),
            interface.lacks.join("; "),
        )
    });
    assert_eq!(
        lacks.collect::<Vec<_>>(),
        [
            ("br9", "bridge", lack.to_owned()),
            (
                "eth8",
                "veth",
                "cannot send what another interface received (no ndo_xmit)".to_owned()
            ),
        ]
    );
}

#[test]
fn native_insists() {
    let scene = Scene::prepare("native", Layout::one_arm(2), &services()).unwrap();
    bridge(&scene);
    let output = scene
        .agent
        .lb(["agent", "--config", scene.agent.config().to_str().unwrap()])
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the driver of br9 cannot do native XDP"),
        "{said}"
    );
    let link = scene.ip("lb", "link show br9").unwrap();
    assert!(!link.contains("xdp"), "{link}");
}

/// An agent on a bridge, whose driver has no XDP of its own.
fn on_a_bridge(xdp: &'static str) -> Scene {
    let mut scene = Scene::prepare(xdp, Layout::one_arm(2), &services()).unwrap();
    bridge(&scene);
    scene.agent.restart().unwrap();
    scene.all_up().unwrap();
    scene
}

/// Puts a bridge where the balancer's interface was: addresses, routes and MAC address.
fn bridge(scene: &Scene) {
    let own = scene.lab.addresses("lb").unwrap();
    let mac = own.mac.map(|byte| format!("{byte:02x}")).join(":");
    for line in [
        "link add br9 type bridge stp_state 0 forward_delay 0 mcast_snooping 0".to_owned(),
        format!("link set br9 address {mac}"),
        "link set eth0 master br9".to_owned(),
        "address flush dev eth0".to_owned(),
        "link set br9 up".to_owned(),
        format!("address add {}/24 dev br9", own.v4),
        format!("address add {}/64 dev br9 nodad", own.v6),
    ] {
        scene.ip("lb", &line).unwrap();
    }
    let config = std::fs::read_to_string(scene.agent.config()).unwrap();
    scene
        .agent
        .write_config(&config.replace("\"eth0\"", "\"br9\""))
        .unwrap();
}

fn mode(scene: &Scene) -> String {
    let [interface] = &scene.agent.status().unwrap().interfaces[..] else {
        panic!("not one interface");
    };
    interface.mode.clone()
}
