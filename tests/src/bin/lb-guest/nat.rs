//! Translation: two ordinary hosts, which answer the balancer; clients of either family to backends of either family.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use lb_tests::lab::{
    Lab, Layout, Topology, agent,
    layout::{DB_V4, DB_V6, WEB_V4, WEB_V6},
};

use super::{
    ask::EACH,
    scene::{self, BACKENDS, Scene},
};

/// Has a client use the services over a network of this shape.
pub fn forwards(topology: Topology) -> Result<String> {
    let layout = Layout {
        topology,
        ..Layout::one_arm(BACKENDS).ordinary()
    };
    let lab = Lab::with_layout("lb-guest", layout)?;
    let mut services = String::new();
    // Backends of the client's family, and then of the other.
    let ways: [(&str, IpAddr, bool); 4] = [
        ("v4", WEB_V4.into(), false),
        ("v6", WEB_V6.into(), true),
        ("v4-to-v6", DB_V4.into(), true),
        ("v6-to-v4", DB_V6.into(), false),
    ];
    for (name, vip, v6) in ways {
        let backends = scene::backends_of(&lab, v6)?;
        services += &scene::service(name, &[vip], "forward = \"nat\"", &backends);
    }
    let mut scene = start(lab, &services)?;
    let vips = ways.map(|(_, vip, _)| vip);
    let packets = scene.serves(&vips)?;
    scene.outlives_its_agent(&vips)?;
    scene.end()?;
    Ok(format!(
        "IPv4 and IPv6 to backends of the same and of the other family: {EACH} connections and {EACH} UDP flows each, half \
         to either backend; 1 MB there and back; {packets} packets to backends; the agent killed and back, unnoticed"
    ))
}

/// Longest packet that the way from the router to the backends takes, in bytes.
const NARROW: u16 = 1400;

/// Has a client send more than a narrow way behind the router takes at once: the router's ICMP errors are about packets of
/// the balancer, which tells the client.
pub fn narrow() -> Result<String> {
    let lab = Lab::with_layout("lb-guest", Layout::routed(BACKENDS).ordinary())?;
    let mut services = String::new();
    let vips: [(_, IpAddr); 2] = [(false, WEB_V4.into()), (true, WEB_V6.into())];
    for (v6, vip) in vips {
        let backends = scene::backends_of(&lab, v6)?;
        let name = if v6 { "v6" } else { "v4" };
        services += &scene::service(name, &[vip], "forward = \"nat\"", &backends);
    }
    for number in 1..=BACKENDS {
        let way = format!("dev eth{} mtu {NARROW}", number + 1);
        let lines = [
            format!("route replace 10.77.{number}.0/24 {way}"),
            // The kernel's own metric, else it would be a second route.
            format!("route replace fd77:{number}::/64 {way} metric 256"),
        ];
        lab.ip("router", &lines)?;
    }
    let scene = start(lab, &services)?;
    scene.serves(&vips.map(|(_, vip)| vip))?;
    let status = scene.agent.status()?;
    let told = status
        .reasons
        .get("icmp_error")
        .map_or(0, |count| count.packets);
    ensure!(told >= 2, "{told} ICMP errors were handed on");
    scene.end()?;
    Ok(format!(
        "IPv4 and IPv6 over a way of {NARROW} bytes: 1 MB there and back, {told} ICMP errors handed on"
    ))
}

fn start(lab: Lab, services: &str) -> Result<Scene> {
    let own = [scene::own(&lab, 1)?, scene::own(&lab, 2)?];
    let config = agent::config(&lab, "native", services);
    Scene::start(lab, &config, |number| {
        Ok(own[usize::from(number) - 1].clone())
    })
}
