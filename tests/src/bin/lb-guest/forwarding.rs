//! Direct return: two backends with the VIPs on `lo`, which answer the client past the balancer.

use anyhow::Result;
use lb_tests::lab::{
    Lab, Layout, Topology, agent,
    layout::{WEB_V4, WEB_V6},
};

use super::{
    ask::EACH,
    scene::{self, BACKENDS, Scene},
};

/// Has a client use the services over a network of this shape.
pub fn check(topology: Topology) -> Result<String> {
    // The balancer's own kernel does not forward, nor has it the services' addresses: what arrives came by XDP.
    let layout = Layout {
        topology,
        ..Layout::one_arm(BACKENDS)
    };
    let lab = Lab::with_layout("lb-guest", layout)?;
    let vips = [WEB_V4.into(), WEB_V6.into()];
    let backends = scene::backends_of(&lab, false)?;
    let service = scene::service("direct", &vips, "forward = \"dsr\"", &backends);
    let config = agent::config(&lab, "native", &service);
    let mut scene = Scene::start(lab, &config, |_| Ok(vips.to_vec()))?;
    let packets = scene.serves(&vips)?;
    scene.outlives_its_agent(&vips)?;
    scene.end()?;
    Ok(format!(
        "{EACH} connections and {EACH} UDP flows by IPv4 and by IPv6, half to either backend; 1 MB there and back; \
         {packets} packets; the agent killed and back, unnoticed"
    ))
}
