//! Frames of 9,000 bytes, in native mode, where the driver takes them in several pieces (veth does).

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use lb_agent::health::Health;
use lb_tests::lab::{
    Capture, Decap, Layout, Scene,
    client::{Download, Session, fetch_hash, file_hash},
    scene::{Service, WEB, web},
};
use rustix::process::Signal;

use crate::wire::upload;

/// Packets that are longer than a page.
const LARGE: &str = "tcp and greater 8000";

/// Has `node` show frames as they come: else its kernel merges them before tcpdump sees them.
fn unmerged(scene: &Scene, node: &str) {
    let args = ["-K", "eth0", "gro", "off"];
    let mut command = scene.lab.command(node, "ethtool", args);
    assert!(command.status().unwrap().success());
}

fn sink(lines: &[&str]) -> Service {
    let sink = Service::new("sink", &["192.0.2.10:9000/tcp"]).backend(1, "");
    lines.iter().fold(sink, |sink, line| sink.with(line))
}

fn vip() -> SocketAddr {
    "192.0.2.10:9000".parse().unwrap()
}

#[test]
fn direct_return_carries_jumbo_frames() {
    for layout in [Layout::one_arm(1), Layout::two_arm(1)] {
        let scene = Scene::start(layout.jumbo(), &[sink(&[])]).unwrap();
        let [interface] = &scene.agent.status().unwrap().interfaces[..] else {
            panic!("not one interface");
        };
        assert_eq!(interface.mode, "native");
        assert_eq!((interface.driver.as_str(), interface.mtu), ("veth", 9000));
        assert_eq!(interface.lacks, [""; 0]);
        unmerged(&scene, "be1");
        let capture = Capture::start(&scene.lab, "be1", "eth0", LARGE).unwrap();
        upload(&scene, "be1", vip(), vip());
        capture
            .until(&["> 192.0.2.10.9000: Flags [", "length 8948"])
            .unwrap();
    }
}

#[test]
fn a_large_file_is_translated_in_jumbo_frames() {
    let nat = Service::new("web", &["192.0.2.10:80/tcp"])
        .with("forward = \"nat\"")
        .backend(1, "");
    for layout in [Layout::one_arm(1), Layout::two_arm(1)] {
        let mut scene =
            Scene::start(layout.ordinary().jumbo(), std::slice::from_ref(&nat)).unwrap();
        let big = scene.web(1).unwrap().big();
        Download::prepare(&big, 64 << 20).unwrap();
        unmerged(&scene, "client");
        let capture = Capture::start(&scene.lab, "client", "eth0", LARGE).unwrap();
        let hash = fetch_hash(&scene.lab, &format!("http://{}/big", WEB[0])).unwrap();
        assert_eq!(hash, file_hash(&big).unwrap());
        capture
            .until(&["192.0.2.10.80 > 10.77.0.1.", "length 8948"])
            .unwrap();
    }
}

#[test]
fn a_jumbo_segment_is_answered_with_a_reset() {
    let mut scene = Scene::start(Layout::one_arm(1).jumbo(), &[web().backend(1, "")]).unwrap();
    let connect = || TcpStream::connect_timeout(&WEB[0], Duration::from_secs(3));
    let mut client = scene.lab.in_namespace("client", connect).unwrap().unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let web = scene.web(1).unwrap();
    web.process().signal(Signal::STOP).unwrap();
    scene.until_health("web/web-1", Health::Down).unwrap();
    let capture = Capture::start(&scene.lab, "client", "eth0", LARGE).unwrap();
    client.write_all(&[b'x'; 8500]).unwrap();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    capture
        .until(&["> 192.0.2.10.80: Flags [", "length 8500"])
        .unwrap();
    let packets = scene.packets().unwrap();
    assert!(packets["reset_backend_gone"] > 0, "{packets:?}");
}

/// The client's frames are full, so that what the tunnel adds does not fit: it learns that from ICMP errors, which are made
/// out of jumbo frames.
#[test]
fn a_tunnel_carries_jumbo_frames_and_says_what_fits() {
    let services = [sink(&["forward = \"ipip\""])];
    let mut scene = Scene::prepare("native", Layout::routed(1).jumbo(), &services).unwrap();
    let _decap = Decap::start(&scene.lab, "be1").unwrap();
    let link = scene.ip("be1", "link show eth0").unwrap();
    assert!(
        link.contains(" xdp ") && !link.contains("xdpgeneric"),
        "{link}"
    );
    scene.agent.restart().unwrap();
    unmerged(&scene, "be1");
    let capture = Capture::start(&scene.lab, "be1", "eth0", LARGE).unwrap();
    upload(&scene, "be1", vip(), vip());
    capture
        .until(&["> 192.0.2.10.9000: Flags [", "length 8928"])
        .unwrap();
    let packets = scene.packets().unwrap();
    assert!(packets["too_big"] > 0, "{packets:?}");
}

#[test]
fn a_restart_after_the_mtu_changed_keeps_flows() {
    let mut scene = Scene::start(Layout::one_arm(1), &[web().backend(1, "")]).unwrap();
    let mut session = Session::open(&scene.lab, WEB[0]).unwrap();
    assert_eq!(session.ask().unwrap(), "web-1");
    scene.agent.stop().unwrap();
    for (node, device) in [
        ("lb", "eth0"),
        ("client", "eth0"),
        ("be1", "eth0"),
        ("wire", "client"),
        ("wire", "be1"),
    ] {
        scene
            .ip(node, &format!("link set {device} mtu 9000"))
            .unwrap();
    }
    // The program that takes frames of a page limits the other end, as drivers limit themselves.
    scene.ip("wire", "link set lb mtu 9000").unwrap_err();

    scene.agent.restart().unwrap();
    scene
        .logged("after the earlier program was taken off")
        .unwrap();
    scene.ip("wire", "link set lb mtu 9000").unwrap();
    assert_eq!(session.ask().unwrap(), "web-1");
    let packets = scene.packets().unwrap();
    assert!(!packets.contains_key("reset_no_flow"), "{packets:?}");

    // And back: frames of a page again, with the same flow.
    scene.ip("wire", "link set lb mtu 1500").unwrap();
    scene.ip("lb", "link set eth0 mtu 1500").unwrap();
    scene.agent.restart().unwrap();
    assert_eq!(session.ask().unwrap(), "web-1");
    scene.ip("wire", "link set lb mtu 9000").unwrap_err();
}

#[test]
fn a_reload_cannot_add_what_asks_for_the_other_object() {
    let services = [web().backend(1, "")];
    let mut scene = Scene::start(Layout::two_arm(1), &services).unwrap();
    scene.ip("lb", "link set eth1 mtu 9000").unwrap();
    let former = std::fs::read_to_string(scene.agent.config()).unwrap();
    let wanted = format!("{former}\n[[interface]]\nname = \"eth1\"\n");
    scene.agent.write_config(&wanted).unwrap();
    let refused = scene.agent.lb(["reload"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("eth1 has an MTU of 9000") && said.contains("restart the agent"),
        "{said}"
    );
    assert_eq!(scene.agent.status().unwrap().interfaces.len(), 1);
    assert_eq!(
        Session::open(&scene.lab, WEB[0]).unwrap().ask().unwrap(),
        "web-1"
    );

    scene.agent.restart().unwrap();
    assert_eq!(scene.agent.status().unwrap().interfaces.len(), 2);
    assert_eq!(
        Session::open(&scene.lab, WEB[0]).unwrap().ask().unwrap(),
        "web-1"
    );
}
