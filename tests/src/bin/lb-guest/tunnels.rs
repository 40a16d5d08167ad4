//! Tunnels to backends in other networks: in every form, over both families, taken out by `lb decap` or by the kernel as
//! docs/tunnels.md says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use lb_tests::lab::{Decap, Lab, Layout, agent};

use super::{
    ask::EACH,
    page,
    scene::{self, BACKENDS, Scene},
};

/// What takes packets out on the backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// lb's own program.
    Decap,
    /// The kernel's tunnel devices.
    Kernel,
}

/// What makes a service one with tunnels.
const FORMS: [(&str, &str); 3] = [
    ("ipip", "forward = \"ipip\""),
    ("gue", "forward = \"gue\""),
    ("gue-0", "forward = \"gue\"\ngue_variant = 0"),
];

/// Has a client use a service for each form of tunnel over each family, by a VIP of each family.
pub fn check(out: Out) -> Result<String> {
    // "Ordinary": backends get their VIPs by the page's commands and not from the lab.
    let layout = Layout::routed(BACKENDS).ordinary();
    let vips: Vec<[IpAddr; 2]> = (0..2 * FORMS.len()).map(vips).collect();
    let all = vips.concat();
    let lab = Lab::with_layout(
        "lb-guest",
        Layout {
            vips: all.clone(),
            ..layout
        },
    )?;
    let mut services = String::new();
    let mut pairs = vips.iter();
    for (name, lines) in FORMS {
        for (v6, over) in [(false, "over4"), (true, "over6")] {
            let vips = pairs.next().context("as many VIPs as services")?;
            let backends = scene::backends_of(&lab, v6)?;
            services += &scene::service(&format!("{name}-{over}"), vips, lines, &backends);
        }
    }
    let mut decaps = Vec::new();
    for number in 1..=BACKENDS {
        let node = format!("be{number}");
        page::hold_vips(&lab, &node, &all)?;
        match out {
            Out::Decap => decaps.push(Decap::start(&lab, &node)?),
            Out::Kernel => page::take_out(&lab, &node)?,
        }
    }
    let config = agent::config(&lab, "native", &services);
    let scene = Scene::start(lab, &config, |_| Ok(all.clone()))?;
    let packets = scene.serves(&all)?;
    drop(decaps);
    scene.end()?;
    Ok(format!(
        "IPIP and GUE in both variants, IPv4 and IPv6 in IPv4 and IPv6: {EACH} connections and {EACH} UDP flows each, half \
         to either backend; 1 MB there and back; {packets} packets"
    ))
}

/// The VIPs of a service, which no other has.
fn vips(service: usize) -> [IpAddr; 2] {
    let number = 10 + service as u8;
    [
        Ipv4Addr::new(192, 0, 2, number).into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()).into(),
    ]
}
