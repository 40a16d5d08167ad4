//! The real agent, in native mode on veth, between a client and two backends that answer the client directly.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_agent::{api::model::Status, health::Health};
use lb_tests::lab::{
    Agent, Echo, Lab, Layout, Topology, agent, binary,
    client::Session,
    layout::{DB_V4, DB_V6, WEB_V4, WEB_V6},
    wait_until,
};

use super::web;

const BACKENDS: u8 = 2;

/// Connections (and then questions by UDP) per address family.
const EACH: u32 = 8;

/// An emulated machine takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Has a client use the services over a network of this shape.
pub fn check(topology: Topology) -> Result<String> {
    // The balancer's own kernel does not forward, nor has it the services' addresses: what arrives came by XDP.
    let layout = Layout {
        topology,
        ..Layout::one_arm(BACKENDS)
    };
    let lab = Lab::with_layout("lb-guest", layout)?;
    let names = |service: &str| {
        (1..=BACKENDS)
            .map(|n| format!("{service}-{n}"))
            .collect::<Vec<_>>()
    };
    let mut servers = Vec::new();
    let mut echoes = Vec::new();
    for (number, (web, echo)) in (1..).zip(names("web").iter().zip(&names("echo"))) {
        let node = format!("be{number}");
        servers.push(web::start(&lab, &node, web)?);
        echoes.push(Echo::start(&lab, &node, echo, &udp())?);
    }
    let config = agent::config(&lab, "native", &services(&lab)?);
    let mut agent = Agent::start(&lab, &binary::lb()?, &config)?;
    wait_until(PATIENCE, "every backend to be up", || {
        agent.status().is_ok_and(|status| all_up(&status))
    })
    .with_context(|| agent.log())?;

    shared_evenly(
        &answers(&tcp(), |address| ask_by_tcp(&lab, address))?,
        &names("web"),
    )?;
    shared_evenly(
        &answers(&udp(), |address| ask_by_udp(&lab, address))?,
        &names("echo"),
    )?;
    let packets = counted(&agent.status()?)?;
    outlive(&mut agent, &lab)?;
    agent.stop()?;
    lab.destroy()?;
    Ok(format!(
        "{EACH} connections and {EACH} UDP flows by IPv4 and by IPv6, half to either backend; {packets} packets; \
         the agent killed and back, unnoticed"
    ))
}

/// Packets forwarded to all backends, by a program in the driver.
fn counted(status: &Status) -> Result<u64> {
    for interface in &status.interfaces {
        ensure!(
            interface.mode == "native",
            "XDP is {} on {}",
            interface.mode,
            interface.name
        );
    }
    let backends = status.services.iter().flat_map(|service| &service.backends);
    let packets = backends.map(|backend| backend.forwarded.packets).sum();
    // A connection is at least SYN, ACK, question and FIN; a question by UDP is one packet.
    let least = u64::from(EACH) * 2 * 5;
    ensure!(
        packets >= least,
        "only {packets} packets were counted, of {least} or more"
    );
    Ok(packets)
}

/// A connection lives on, and others begin, while there is no agent; the next agent finds it all.
fn outlive(agent: &mut Agent, lab: &Lab) -> Result<()> {
    let mut sessions = Vec::new();
    for address in tcp() {
        let mut session = Session::open_within(lab, PATIENCE, address)?;
        sessions.push((session.ask()?, session));
    }
    let mut same = |when: &str| -> Result<()> {
        for (name, session) in &mut sessions {
            let now = session
                .ask()
                .with_context(|| format!("an old connection {when}"))?;
            ensure!(
                now == *name,
                "an old connection {when}: {name} became {now}"
            );
        }
        for address in tcp() {
            ask_by_tcp(lab, address).with_context(|| format!("a new connection {when}"))?;
        }
        Ok(())
    };
    agent.kill9();
    same("while the agent is dead")?;
    agent.restart()?;
    same("when the agent is back")
}

fn tcp() -> [SocketAddr; 2] {
    [(WEB_V4, 80).into(), (WEB_V6, 80).into()]
}

fn udp() -> [SocketAddr; 2] {
    [(DB_V4, 53).into(), (DB_V6, 53).into()]
}

fn services(lab: &Lab) -> Result<String> {
    let probe = "probe = { type = \"tcp\", port = 80, interval = \"500ms\", timeout = \"400ms\", rise = 1, fall = 3 }";
    let mut text = String::new();
    for (service, protocol, addresses) in [("web", "tcp", tcp()), ("echo", "udp", udp())] {
        let listen = addresses.map(|address| format!("{address}/{protocol}"));
        text += &format!("[[service]]\nname = \"{service}\"\nlisten = {listen:?}\n{probe}\n");
        for number in 1..=BACKENDS {
            let address = lab.addresses(&format!("be{number}"))?.v4;
            text += &format!(
                "[[service.backend]]\nname = \"{service}-{number}\"\naddress = \"{address}\"\n"
            );
        }
    }
    Ok(text)
}

fn all_up(status: &Status) -> bool {
    let mut backends = status.services.iter().flat_map(|service| &service.backends);
    backends.all(|backend| backend.health == Health::Up)
}

fn shared_evenly(answers: &BTreeMap<String, u32>, names: &[String]) -> Result<()> {
    let fair = EACH * 2 / u32::from(BACKENDS);
    let expected = names.iter().map(|name| (name.clone(), fair)).collect();
    ensure!(
        *answers == expected,
        "answers came from {answers:?}, not from {expected:?}"
    );
    Ok(())
}

/// How often each backend answers when every address is asked [`EACH`] times.
fn answers(
    addresses: &[SocketAddr],
    ask: impl Fn(SocketAddr) -> Result<String>,
) -> Result<BTreeMap<String, u32>> {
    let mut answers = BTreeMap::new();
    for &address in addresses {
        for number in 1..=EACH {
            let name = ask(address).with_context(|| format!("question {number} to {address}"))?;
            *answers.entry(name).or_insert(0) += 1;
        }
    }
    Ok(answers)
}

/// Who answers on a connection of its own.
fn ask_by_tcp(lab: &Lab, address: SocketAddr) -> Result<String> {
    Ok(Session::open_within(lab, PATIENCE, address)?.ask_for_the_end()?)
}

/// Who answers a datagram from a port that was not used before.
fn ask_by_udp(lab: &Lab, address: SocketAddr) -> Result<String> {
    lab.in_namespace("client", || {
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        socket.send(b"question")?;
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer)?;
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        let name = text
            .strip_suffix(" question")
            .context("an answer to another question")?;
        Ok(name.to_owned())
    })?
}
