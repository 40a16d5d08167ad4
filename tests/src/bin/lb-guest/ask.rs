//! What a client asks, and what it must be answered.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_tests::lab::{Lab, client::Session};

use super::scene::BACKENDS;

/// Connections (and then questions by UDP) to each VIP.
pub const EACH: u32 = 8;

/// An emulated machine takes its time.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a large request, and of its answer.
const LARGE: usize = 1 << 20;

/// Where the web server of a VIP is.
pub const fn web(vip: IpAddr) -> SocketAddr {
    SocketAddr::new(vip, 80)
}

/// Where the echo of a VIP is.
pub const fn echo(vip: IpAddr) -> SocketAddr {
    SocketAddr::new(vip, 53)
}

/// Asks a VIP [`EACH`] times by TCP, and by UDP as often: each backend answers as often as the other.
pub fn answers_alternate(lab: &Lab, vip: IpAddr) -> Result<()> {
    alternate(|| by_tcp(lab, vip)).with_context(|| format!("{vip} by TCP"))?;
    alternate(|| by_udp(lab, vip)).with_context(|| format!("{vip} by UDP"))
}

fn alternate(ask: impl Fn() -> Result<String>) -> Result<()> {
    let fair = EACH / u32::from(BACKENDS);
    let expected: BTreeMap<_, _> = (1..=BACKENDS)
        .map(|number| (format!("be{number}"), fair))
        .collect();
    let mut answers = BTreeMap::new();
    for number in 1..=EACH {
        let name = ask().with_context(|| format!("question {number}"))?;
        *answers.entry(name).or_insert(0) += 1;
    }
    ensure!(
        answers == expected,
        "answers came from {answers:?}, not from {expected:?}"
    );
    Ok(())
}

/// Sends what can be told from anything else, and has the web server send it back: no byte is lost or another.
pub fn transfer(lab: &Lab, vip: IpAddr) -> Result<()> {
    let mut sent = vec![0; LARGE];
    fastrand::Rng::with_seed(LARGE as u64).fill(&mut sent);
    let answer = lab.in_namespace("client", || -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&web(vip), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "POST /back HTTP/1.1\r\nHost: lab\r\nConnection: close\r\nContent-Length: {LARGE}\r\n\r\n"
        )?;
        stream.write_all(&sent).context("sending")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("receiving")?;
        Ok(answer)
    })??;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = &answer[head.context("an answer without a body")? + 4..];
    ensure!(body == sent, "what came back is not what was sent");
    Ok(())
}

/// Who answers on a connection of its own.
fn by_tcp(lab: &Lab, vip: IpAddr) -> Result<String> {
    Ok(Session::open_within(lab, PATIENCE, web(vip))?.ask_for_the_end()?)
}

/// Who answers a datagram from a port that was not used before.
fn by_udp(lab: &Lab, vip: IpAddr) -> Result<String> {
    lab.in_namespace("client", || {
        let any = if vip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(echo(vip))?;
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

/// Connections that are open while something happens, one to each VIP.
pub struct Idle {
    sessions: Vec<(IpAddr, String, Session)>,
}

impl Idle {
    /// Opens them.
    pub fn open(lab: &Lab, vips: &[IpAddr]) -> Result<Self> {
        let open = |vip: &IpAddr| {
            let mut session = Session::open_within(lab, PATIENCE, web(*vip))?;
            Ok((*vip, session.ask()?, session))
        };
        let sessions = vips.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { sessions })
    }

    /// Each is answered by the server it had, and new connections and datagrams to the same VIPs are answered, too.
    pub fn is_served(&mut self, lab: &Lab, when: &str) -> Result<()> {
        for (vip, name, session) in &mut self.sessions {
            let now = session
                .ask()
                .with_context(|| format!("an old connection to {vip} {when}"))?;
            ensure!(
                now == *name,
                "an old connection to {vip} {when}: {name} became {now}"
            );
        }
        for (vip, ..) in &self.sessions {
            by_tcp(lab, *vip).with_context(|| format!("a new connection to {vip} {when}"))?;
            by_udp(lab, *vip).with_context(|| format!("a new datagram to {vip} {when}"))?;
        }
        Ok(())
    }
}
