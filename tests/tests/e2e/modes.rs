//! Each way of forwarding, under the traffic that it is there for: TLS, files whose hash is compared, idle connections.

use std::{
    thread,
    time::{Duration, Instant},
};

use lb_tests::lab::{
    Decap, Layout, Nginx, Scene,
    client::{Download, Session, fetch_hash, file_hash},
    scene::{PROBE, Service, WEB},
};

use crate::{
    nat::{self, transfer::megabytes},
    tunnels::WAYS,
};

/// Megabytes of a file.
const MEGABYTES: u64 = 48;

/// Longer than the second in which a flow was seen that the quick stage sends off.
const IDLE: Duration = Duration::from_secs(3);

/// Which family the backends of the IPv4 service and of the IPv6 service have: whether it is IPv6.
type Families = [bool; 2];
const SAME: Families = [false, true];
const CROSSED: Families = [true, false];
const ALL_IPV4: Families = [false, false];
const ALL_IPV6: Families = [true, true];

/// HTTP and HTTPS at both service addresses.
fn services(lines: &[&str], families: Families) -> Vec<Service> {
    let service = |name: String, listen: String, v6: bool| {
        let service = lines
            .iter()
            .fold(Service::new(&name, &[&listen]), |service, line| {
                service.with(line)
            });
        if v6 {
            service.backend_v6(1, "")
        } else {
            service.backend(1, "")
        }
    };
    let at = |(vip, v6): (&str, bool)| {
        [("web", 80), ("tls", 443)].map(|(name, port)| {
            let name = format!("{name}-of-{}", if vip.contains(':') { 6 } else { 4 });
            let service = service(name, format!("{vip}:{port}/tcp"), v6);
            if port == 80 {
                service.with(PROBE)
            } else {
                service
            }
        })
    };
    ["192.0.2.10", "[2001:db8::10]"]
        .into_iter()
        .zip(families)
        .flat_map(at)
        .collect()
}

/// Files by TLS through connections of their own, past connections that say nothing for a while.
fn carries(mode: &str, scene: &Scene) {
    let tls = Nginx::start_tls(&scene.lab, "be1", "tls-1").unwrap();
    Download::prepare(&tls.big(), megabytes(MEGABYTES) << 20).unwrap();
    let sent = file_hash(&tls.big()).unwrap();
    let mut idle = WEB.map(|address| Session::open(&scene.lab, address).unwrap());
    for session in &mut idle {
        assert_eq!(session.ask().unwrap(), "web-1", "{mode}");
    }
    let asked = Instant::now();
    for address in WEB {
        let url = format!(
            "https://{}/big",
            address.to_string().trim_end_matches(":80")
        );
        let hash = fetch_hash(&scene.lab, &url).unwrap();
        assert_eq!(hash, sent, "{mode} {url}");
    }
    thread::sleep(IDLE.saturating_sub(asked.elapsed()));
    for session in &mut idle {
        assert_eq!(session.ask().unwrap(), "web-1", "{mode}, after a silence");
    }
    let packets = scene.packets().unwrap();
    assert_eq!(packets["flow_new"], 4, "{mode}: {packets:?}");
}

#[test]
fn direct_return_carries_it() {
    for layout in [Layout::one_arm(1), Layout::two_arm(1)] {
        let mode = format!("{:?}", layout.topology);
        let services = services(&[], SAME);
        carries(&mode, &Scene::start(layout, &services).unwrap());
    }
}

#[test]
fn translation_carries_it_within_and_between_families() {
    for (layout, families) in nat::layouts().into_iter().zip([SAME, CROSSED]) {
        let services = services(&["forward = \"nat\""], families);
        carries(
            &format!("nat {families:?}"),
            &Scene::start(layout, &services).unwrap(),
        );
    }
}

#[test]
fn tunnels_carry_it() {
    for (lines, families) in [
        (WAYS[0], ALL_IPV4),
        (WAYS[0], ALL_IPV6),
        (WAYS[1], ALL_IPV4),
        (WAYS[2], ALL_IPV6),
    ] {
        let services = services(lines, families);
        let mut scene = Scene::prepare("native", Layout::routed(1), &services).unwrap();
        let _decap = Decap::start(&scene.lab, "be1").unwrap();
        scene.agent.restart().unwrap();
        scene.all_up().unwrap();
        carries(&format!("{lines:?} {families:?}"), &scene);
    }
}
