//! `lb decap` on a backend: its kernel gets every packet out of every tunnel, and only from those who may send.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    num::NonZeroU32,
    process::Output,
    time::Duration,
};

use lb_tests::{
    frames,
    lab::{Exclusive, Lab, Layout, binary, exclusive, layout},
};
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType, sendto, socket};

const GUE: u16 = 6080;
const SERVICE: u16 = 7777;
const CLIENT: u16 = 4000;

/// What stands between the outer IP header and the inner packet.
#[derive(Clone, Copy, Debug)]
enum Tunnel {
    Ip,
    Gue,
    GueHeader,
}

/// A network whose `be1` serves the VIPs, and whose `lb` sends packets by hand.
struct Scene {
    lab: Lab,
    _turn: Exclusive,
}

impl Scene {
    fn new() -> Self {
        let turn = exclusive().unwrap();
        let lab = Lab::with_layout("lb-e2e", Layout::one_arm(1)).unwrap();
        Self { lab, _turn: turn }
    }

    fn lb(&self, args: &[&str]) -> Output {
        let pins = self.lab.pin_dir();
        let all = ["decap", "--pin-dir", pins.to_str().unwrap()];
        let args = all.iter().chain(args);
        let lb = binary::lb().unwrap();
        self.lab.command("be1", lb, args).output().unwrap()
    }

    /// What it said, after it has done what it was asked.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.lb(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn address(&self, node: &str, v4: bool) -> IpAddr {
        let addresses = self.lab.addresses(node).unwrap();
        if v4 {
            addresses.v4.into()
        } else {
            addresses.v6.into()
        }
    }

    /// Packets by reason.
    fn counts(&self) -> BTreeMap<String, u64> {
        let json = self.ok(&["--status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&json).unwrap();
        let counts = status["counts"].as_object().unwrap();
        let counts = counts
            .iter()
            .map(|(reason, count)| (reason.clone(), count["packets"].as_u64().unwrap()));
        // How much else there is on the network is chance.
        counts
            .filter(|(reason, packets)| *packets > 0 && reason != "passed")
            .collect()
    }

    /// Sends one datagram of the client through a tunnel to the backend: the datagram as the server gets it, and as
    /// the client gets the answer.
    fn ask(&self, inner_v4: bool, over_v4: bool, tunnel: Tunnel) -> io::Result<()> {
        let vip = if inner_v4 {
            IpAddr::from(layout::WEB_V4)
        } else {
            layout::WEB_V6.into()
        };
        let vip = SocketAddr::new(vip, SERVICE);
        let client = SocketAddr::new(self.address("client", inner_v4), CLIENT);
        let text = format!("{inner_v4} {over_v4} {tunnel:?}").into_bytes();
        let asking = self.bound("client", client)?;
        let serving = self.bound("be1", vip)?;
        self.send(&frames::udp(client, vip, &text)[14..], over_v4, tunnel)?;

        let mut bytes = [0; 100];
        let (len, from) = serving.recv_from(&mut bytes)?;
        assert_eq!((&bytes[..len], from), (&text[..], client));
        serving.send_to(b"answer", from)?;
        let (len, from) = asking.recv_from(&mut bytes)?;
        assert_eq!((&bytes[..len], from), (&b"answer"[..], vip));
        Ok(())
    }

    fn bound(&self, node: &str, address: SocketAddr) -> io::Result<UdpSocket> {
        let bind = || UdpSocket::bind(address);
        let socket = self.lab.in_namespace(node, bind).unwrap()?;
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(socket)
    }

    /// Sends an IP packet from `lb` to the backend; the kernel writes the outer headers, except GUE's.
    fn send(&self, inner: &[u8], over_v4: bool, tunnel: Tunnel) -> io::Result<()> {
        let [from, to] = ["lb", "be1"].map(|node| self.address(node, over_v4));
        let carried: u8 = if inner[0] >> 4 == 4 { 4 } else { 41 };
        let family = if over_v4 {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let work = || match tunnel {
            Tunnel::Ip => {
                let protocol = NonZeroU32::new(carried.into()).map(Protocol::from_raw);
                let socket = socket(family, SocketType::RAW, protocol)?;
                sendto(socket, inner, SendFlags::empty(), &SocketAddr::new(to, 0))
                    .map_err(io::Error::from)
            }
            Tunnel::Gue => UdpSocket::bind((from, 0))?.send_to(inner, (to, GUE)),
            Tunnel::GueHeader => {
                let bytes = [&[0, carried, 0, 0], inner].concat();
                UdpSocket::bind((from, 0))?.send_to(&bytes, (to, GUE))
            }
        };
        self.lab.in_namespace("lb", work).unwrap().map(drop)
    }
}

fn every_way(mut each: impl FnMut(bool, bool, Tunnel)) {
    for inner_v4 in [true, false] {
        for over_v4 in [true, false] {
            for tunnel in [Tunnel::Ip, Tunnel::Gue, Tunnel::GueHeader] {
                each(inner_v4, over_v4, tunnel);
            }
        }
    }
}

fn counted<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(reason, count)| (reason.into(), count)).into()
}

#[test]
fn every_packet_comes_out_of_every_tunnel() {
    let scene = Scene::new();
    let said = scene.ok(&["--interface", "eth0"]);
    assert!(
        said.starts_with("takes packets out of tunnels on eth0: native XDP\n"),
        "{said}"
    );
    assert!(said.contains("ip addr add VIP/32 dev lo"), "{said}");
    every_way(|inner_v4, over_v4, tunnel| {
        let asked = scene.ask(inner_v4, over_v4, tunnel);
        assert!(asked.is_ok(), "{inner_v4} {over_v4} {tunnel:?}: {asked:?}");
    });
    let expected = counted([
        ("gue", 4),
        ("gue_header", 4),
        ("ipv4_in_ipv4", 1),
        ("ipv4_in_ipv6", 1),
        ("ipv6_in_ipv4", 1),
        ("ipv6_in_ipv6", 1),
    ]);
    assert_eq!(scene.counts(), expected);

    // Without it the tunnels end nowhere.
    scene.ok(&["--detach"]);
    every_way(|inner_v4, over_v4, tunnel| {
        assert!(scene.ask(inner_v4, over_v4, tunnel).is_err());
    });
}

#[test]
fn only_the_balancers_are_let_in() {
    let scene = Scene::new();
    let stranger = ["--interface", "eth0", "--from", "10.77.0.99"];
    let output = scene.lb(&stranger[..2]);
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warned.contains("with --from"), "{warned}");
    assert_eq!(scene.lb(&stranger).stderr, b"", "nothing to warn of");
    for over_v4 in [true, false] {
        assert!(scene.ask(true, over_v4, Tunnel::Ip).is_err());
        assert!(scene.ask(true, over_v4, Tunnel::Gue).is_err());
    }
    assert_eq!(scene.counts(), counted([("refused", 4)]));

    let balancer = scene.address("lb", true).to_string();
    let said = scene.ok(&[&stranger[..], &["--from", &balancer, "--gue-port", "6081"]].concat());
    assert!(said.contains("in the place of the program"), "{said}");
    scene.ask(true, true, Tunnel::Ip).unwrap();
    assert!(scene.ask(true, true, Tunnel::Gue).is_err(), "another port");
    // Counters go on.
    let expected = counted([("ipv4_in_ipv4", 1), ("refused", 4)]);
    assert_eq!(scene.counts(), expected);
    let status = scene.ok(&["--status"]);
    assert!(status.contains("GUE port    6081"), "{status}");
    assert!(
        status.contains(&format!("from        10.77.0.99/32, {balancer}/32\n")),
        "{status}"
    );
}

#[test]
fn what_is_named_has_it_and_nothing_else() {
    let scene = Scene::new();
    let pins = scene.lab.pin_dir();
    let has_program = |device: &str| {
        let mut show = scene.lab.command("be1", "ip", ["link", "show", device]);
        String::from_utf8(show.output().unwrap().stdout)
            .unwrap()
            .contains("lb_decap")
    };
    let nothing = format!("nothing is pinned in {}\n", pins.display());
    assert_eq!(scene.ok(&["--status"]), nothing);
    assert_eq!(scene.ok(&["--detach"]), nothing);

    let output = scene.lb(&["--interface", "eth0", "--interface", "eth9"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no interface eth9 here"), "{said}");
    let output = scene.lb(&["--interface", "eth0.100"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("name the interface below it"), "{said}");
    assert!(!has_program("eth0"));

    std::fs::create_dir(&pins).unwrap();
    std::os::unix::fs::chown(&pins, Some(65534), None).unwrap();
    let output = scene.lb(&["--interface", "eth0"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("belongs to user 65534"), "{said}");
    assert!(!has_program("eth0"));
    std::fs::remove_dir(&pins).unwrap();

    let said = scene.ok(&["--interface", "eth0", "--interface", "lo"]);
    assert!(said.contains("on eth0: native XDP"), "{said}");
    assert!(said.contains("on lo: generic XDP"), "{said}");
    assert!(has_program("eth0") && has_program("lo"));

    let elsewhere = format!("{}-other", pins.display());
    let elsewhere = elsewhere.as_str();
    let lb = binary::lb().unwrap();
    let args = ["decap", "--interface", "eth0", "--pin-dir", elsewhere];
    let output = scene.lab.command("be1", lb, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("another XDP program is on eth0"), "{said}");
    assert!(!std::path::Path::new(elsewhere).exists(), "nothing is left");

    let said = scene.ok(&["--interface", "eth0"]);
    assert!(said.contains("removed XDP program from lo"), "{said}");
    assert!(has_program("eth0") && !has_program("lo"));

    let said = scene.ok(&["--detach"]);
    assert!(said.contains("removed XDP program from eth0"), "{said}");
    assert!(!has_program("eth0") && !pins.exists());
}
