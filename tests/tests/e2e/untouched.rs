//! What is not for a service passes to the host as if the balancer were not there, and is counted by reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use lb_tests::lab::{Layout, Scene, client::Session, layout, scene::web};
use rustix::net::{AddressFamily, SocketType, ipproto, socket};

/// What neighbours say to each other all the time.
const NOISE: [&str; 2] = ["not_ip", "not_unicast"];

fn scene() -> Scene {
    // The balancer owns the service addresses, so that their other ports are its host's.
    let layout = Layout {
        vip_on_lb: true,
        ..Layout::one_arm(1)
    };
    // Probes would be heard among what is counted here.
    Scene::start(layout, &[web().without("probe").backend(1, "")]).unwrap()
}

#[test]
fn pings_reach_the_host() {
    let scene = scene();
    for address in [own(&scene)[0], own(&scene)[1]] {
        let grown = grown_by(&scene, || ping(&scene, address, 56));
        assert!(grown["no_service"] >= 3, "{grown:?}");
        assert_only(&grown, &["no_service", "not_tcp_udp"]);
    }
}

#[test]
fn pings_of_a_vip_are_answered() {
    let scene = scene();
    for address in [IpAddr::from(layout::WEB_V4), layout::WEB_V6.into()] {
        let grown = grown_by(&scene, || ping(&scene, address, 56));
        assert!(grown["echo"] >= 3, "{grown:?}");
        assert_only(&grown, &["echo", "not_tcp_udp"]);
    }
}

#[test]
fn fragments_reach_the_host() {
    let scene = scene();
    for address in [own(&scene)[0], own(&scene)[1]] {
        // 3,000 bytes are three frames here.
        let grown = grown_by(&scene, || ping(&scene, address, 3000));
        assert!(grown["not_tcp_udp"] >= 9, "{grown:?}");
        assert_only(&grown, &["not_tcp_udp"]);
    }
}

#[test]
fn ssh_to_the_balancer_keeps_working() {
    let scene = scene();
    for address in own(&scene) {
        let grown = grown_by(&scene, || echo(&scene, SocketAddr::new(address, 22)));
        assert!(grown["no_service"] >= 4, "{grown:?}");
        assert_only(&grown, &["no_service", "not_tcp_udp"]);
    }
}

#[test]
fn other_ports_of_a_service_address_are_the_host_s() {
    let scene = scene();
    for address in [IpAddr::from(layout::WEB_V4), layout::WEB_V6.into()] {
        let grown = grown_by(&scene, || {
            echo(&scene, SocketAddr::new(address, 8080));
            // Nobody listens: the host says so itself.
            let error = Session::open(&scene.lab, SocketAddr::new(address, 81)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            datagram(&scene, SocketAddr::new(address, 80));
        });
        assert!(grown["no_service"] >= 6, "{grown:?}");
        assert_only(&grown, &["no_service", "not_tcp_udp"]);
    }
}

/// The balancer's own addresses.
fn own(scene: &Scene) -> [IpAddr; 2] {
    let own = scene.lab.addresses("lb").unwrap();
    [own.v4.into(), own.v6.into()]
}

/// Three pings that are answered, from a socket of the kernel's for that purpose: it writes the identifier and the
/// checksum, and hears only answers to its own.
fn ping(scene: &Scene, address: IpAddr, size: usize) {
    /// Echo request: RFC 792, RFC 4443.
    const V4: u8 = 8;
    const V6: u8 = 128;
    let (family, protocol, request) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, V4),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, V6),
    };
    let open = || -> io::Result<UdpSocket> {
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0")?;
        Ok(socket(family, SocketType::DGRAM, Some(protocol))?.into())
    };
    let socket = scene.lab.in_namespace("client", open).unwrap().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    socket.connect(SocketAddr::new(address, 0)).unwrap();
    for sequence in 1..=3 {
        let mut message = vec![request, 0, 0, 0, 0, 0, 0, sequence];
        message.resize(8 + size, b'p');
        socket.send(&message).unwrap();
        let mut answer = vec![0; message.len() + 1];
        assert_eq!(socket.recv(&mut answer).unwrap(), message.len());
        assert_eq!(answer[7..message.len()], message[7..]);
    }
}

/// A conversation with a server on the balancer itself.
fn echo(scene: &Scene, address: SocketAddr) {
    let listener = scene
        .lab
        .in_namespace("lb", || TcpListener::bind(address))
        .unwrap()
        .unwrap();
    let server = thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"SSH-2.0-lab\r\n")?;
        let mut said = [0; 5];
        stream.read_exact(&mut said)?;
        stream.write_all(&said)
    });
    let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(3));
    let mut client = scene.lab.in_namespace("client", connect).unwrap().unwrap();
    client.write_all(b"hello").unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "SSH-2.0-lab\r\nhello");
    server.join().unwrap().unwrap();
}

/// A datagram to a server on the balancer itself.
fn datagram(scene: &Scene, address: SocketAddr) {
    let server = scene
        .lab
        .in_namespace("lb", || UdpSocket::bind(address))
        .unwrap()
        .unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let client = scene
        .lab
        .in_namespace("client", || UdpSocket::bind(any))
        .unwrap()
        .unwrap();
    client.send_to(b"hello", address).unwrap();
    let mut heard = [0; 10];
    assert_eq!(server.recv(&mut heard).unwrap(), 5);
}

/// By how much each counter that moved has grown while `work` was done.
fn grown_by(scene: &Scene, work: impl FnOnce()) -> BTreeMap<String, u64> {
    let before = scene.packets().unwrap();
    work();
    let after = scene.packets().unwrap().into_iter();
    after
        .map(|(reason, count)| {
            let grown = count - before.get(&reason).copied().unwrap_or(0);
            (reason, grown)
        })
        .filter(|(_, grown)| *grown > 0)
        .collect()
}

/// What is not mentioned has not changed.
#[track_caller]
fn assert_only(grown: &BTreeMap<String, u64>, mentioned: &[&str]) {
    let moved: BTreeSet<_> = grown.keys().map(String::as_str).collect();
    let allowed: BTreeSet<_> = mentioned.iter().chain(&NOISE).copied().collect();
    assert!(moved.is_subset(&allowed), "{grown:?}");
}
