//! Bonds: the balancer on two cables that are one interface, of which one is pulled; and the kinds of bond that the kernel
//! gives no native XDP.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use lb_tests::lab::{
    Lab, Layout, agent,
    layout::{DB_V4, DB_V6, WEB_V4, WEB_V6},
    wait_until,
};

use super::{
    ask::{EACH, Idle, PATIENCE},
    scene::{self, BACKENDS, Scene},
    vlan,
};

/// Has a client use services by NAT, from a VLAN, and by direct return, without one, while one cable is pulled and put
/// back, and then the other.
pub fn check() -> Result<String> {
    let mut lab = Lab::with_layout("lb-guest", Layout::one_arm(BACKENDS))?;
    lab.plug("lb", "eth1")?;
    bond(&lab)?;
    vlan::leave_tags_in_frames(&lab, &[("lb", "eth1"), ("wire", "lb-eth1")])?;
    let nat: [IpAddr; 2] = [WEB_V4.into(), WEB_V6.into()];
    vlan::between_clients_and(&lab, "bond0", &nat)?;
    let direct: [IpAddr; 2] = [DB_V4.into(), DB_V6.into()];
    let all = [nat, direct].concat();
    let v4 = scene::backends_of(&lab, false)?;
    let v6 = scene::backends_of(&lab, true)?;
    let services = [
        scene::service("nat-4", &nat[..1], "forward = \"nat\"", &v4),
        scene::service("nat-6", &nat[1..], "forward = \"nat\"", &v6),
        scene::service("direct", &direct, "forward = \"dsr\"", &v4),
    ]
    .concat();
    let own = [scene::own(&lab, 1)?, scene::own(&lab, 2)?];
    let config = agent::config(&lab, "native", &services).replace("\"eth0\"", "\"bond0\"");
    let scene = Scene::start(lab, &config, |number| {
        Ok([&own[usize::from(number) - 1][..], &direct].concat())
    })?;
    let packets = scene.serves(&all)?;
    let mut idle = Idle::open(&scene.lab, &all)?;
    for (pulled, left) in [("lb", "eth1"), ("lb-eth1", "eth0")] {
        let set = |state| {
            scene
                .lab
                .ip("wire", &[format!("link set {pulled} {state}")])
        };
        set("down")?;
        wait_until(PATIENCE, "the bond to use its other cable", || {
            active(&scene.lab).is_ok_and(|device| device == left)
        })?;
        idle.is_served(&scene.lab, &format!("with {left} alone"))
            .with_context(|| scene.story())?;
        set("up")?;
        wait_until(PATIENCE, "the bond to have both cables", || {
            has_both(&scene.lab)
        })?;
    }
    every_mode_is_known(&scene, &config)?;
    scene.end()?;
    Ok(format!(
        "NAT from a VLAN and direct return over an active-backup bond, IPv4 and IPv6: {EACH} connections and {EACH} UDP flows \
         each, half to either backend; 1 MB there and back; {packets} packets to backends; either cable pulled, unnoticed; \
         native on {}, generic on {}",
        NATIVE.join(", "),
        GENERIC.join(", ")
    ))
}

/// Modes of a bond that run a program in the drivers of its interfaces.
const NATIVE: [&str; 4] = ["balance-rr", "active-backup", "balance-xor", "802.3ad"];
/// Those that do not.
const GENERIC: [&str; 3] = ["broadcast", "balance-tlb", "balance-alb"];

/// Name of the empty bond of a mode.
fn empty(mode: &str) -> String {
    format!("b-{}", mode.replace('.', "-"))
}

/// Has the agent take an empty bond of every mode as well: natively, or generically with the reason in its log.
fn every_mode_is_known(scene: &Scene, config: &str) -> Result<()> {
    let modes = [&NATIVE[..], &GENERIC].concat();
    let made = modes
        .iter()
        .map(|mode| format!("link add {} type bond mode {mode}", empty(mode)));
    scene.lab.ip("lb", &made.collect::<Vec<_>>())?;
    let more = modes
        .iter()
        .map(|mode| format!("\n[[interface]]\nname = \"{}\"\n", empty(mode)));
    let config = config.to_owned() + &more.collect::<String>();
    scene.agent.write_config(&config)?;
    scene.agent.lb_ok(["reload"])?;
    let interfaces = scene.agent.status()?.interfaces;
    let runs_as = |mode: &str| {
        let name = empty(mode);
        let interface = interfaces.iter().find(|interface| interface.name == name);
        interface.map(|interface| interface.mode.as_str())
    };
    for mode in NATIVE {
        ensure!(
            runs_as(mode) == Some("native"),
            "{mode}: {:?}",
            runs_as(mode)
        );
    }
    for mode in GENERIC {
        ensure!(
            runs_as(mode) == Some("generic"),
            "{mode}: {:?}",
            runs_as(mode)
        );
        let why = format!(
            "{} is a bond of mode {mode}, which cannot do native XDP",
            empty(mode)
        );
        ensure!(
            scene.agent.log().contains(&why),
            "{mode}: {}",
            scene.agent.log()
        );
    }
    Ok(())
}

/// Makes the balancer's two cables one interface, which has the addresses of the first.
fn bond(lab: &Lab) -> Result<()> {
    let own = lab.addresses("lb")?;
    lab.ip(
        "lb",
        &[
            "link add bond0 type bond mode active-backup miimon 50".to_owned(),
            "link set eth0 down".to_owned(),
            "addr flush dev eth0".to_owned(),
            "link set eth0 master bond0".to_owned(),
            "link set eth1 master bond0".to_owned(),
            "link set bond0 up".to_owned(),
            format!("addr add {}/24 dev bond0", own.v4),
            format!("addr add {}/64 dev bond0 nodad", own.v6),
        ],
    )?;
    wait_until(PATIENCE, "the bond to have both cables", || has_both(lab)).map(drop)
}

/// The part of the bond that carries its frames.
fn active(lab: &Lab) -> Result<String> {
    let text = state(lab)?;
    let device = text
        .lines()
        .find_map(|line| line.strip_prefix("Currently Active Slave: "));
    Ok(device.context("no active part")?.to_owned())
}

/// The bond and both its parts are up.
fn has_both(lab: &Lab) -> bool {
    state(lab).is_ok_and(|text| text.matches("MII Status: up").count() == 3)
}

/// What the kernel tells of the bond.
fn state(lab: &Lab) -> Result<String> {
    let mut cat = lab.command("lb", "cat", ["/proc/net/bonding/bond0"]);
    Ok(String::from_utf8_lossy(&cat.output()?.stdout).into_owned())
}
