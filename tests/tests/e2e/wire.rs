//! What is on the wire, read by tcpdump: addresses, checksums, and every byte of an upload.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use lb_tests::lab::{
    Capture, Layout, Scene,
    client::Session,
    scene::{Service, WEB, web},
};

use crate::backend_death::session_on;

#[test]
fn forwarded_packets_are_as_the_client_sent_them() {
    for (xdp, layout) in [
        ("native", Layout::one_arm(1)),
        ("native", Layout::two_arm(1)),
        ("generic", Layout::one_arm(1)),
    ] {
        let scene = Scene::start_with(xdp, layout, &[web().backend(1, "")]).unwrap();
        let filter = "tcp dst port 80 and (dst host 192.0.2.10 or dst host 2001:db8::10)";
        let capture = Capture::start(&scene.lab, "be1", "eth0", filter).unwrap();
        for address in WEB {
            assert_eq!(
                Session::open(&scene.lab, address).unwrap().ask().unwrap(),
                "web-1"
            );
        }
        let client = scene.lab.addresses("client").unwrap();
        let v4 = format!("{}.", client.v4);
        let v6 = format!("{}.", client.v6);
        let seen = capture
            .until(&[
                "> 192.0.2.10.80: Flags [F",
                "> 2001:db8::10.80: Flags [F",
                &v4,
                &v6,
            ])
            .unwrap();
        for flags in [
            "Flags [S], cksum 0x",
            "Flags [.], cksum 0x",
            "Flags [P.], cksum 0x",
            "Flags [F.], cksum 0x",
        ] {
            assert!(
                seen.matches(flags).count() >= 2,
                "{xdp}: no two `{flags}` in:\n{seen}"
            );
        }
        assert_checksums(&seen, 8);
    }
}

#[test]
fn resets_are_well_formed() {
    for (xdp, layout) in [
        ("native", Layout::one_arm(2)),
        ("generic", Layout::one_arm(2)),
    ] {
        let services = [web().backend(1, "").backend(2, "")];
        let mut scene = Scene::start_with(xdp, layout, &services).unwrap();
        let mut dying = WEB.map(|address| session_on(&scene, address, "web-1"));
        let filter = "(tcp[tcpflags] & tcp-rst != 0) or (ip6 and tcp and ip6[53] & 4 != 0)";
        let capture = Capture::start(&scene.lab, "client", "eth0", filter).unwrap();
        // In mid-flow: the sequence number is the one that was acknowledged, and nothing is acknowledged.
        scene
            .web(1)
            .unwrap()
            .process()
            .signal(rustix::process::Signal::STOP)
            .unwrap();
        scene
            .until_health("web/web-1", lb_agent::health::Health::Down)
            .unwrap();
        for session in &mut dying {
            session.say().unwrap();
            assert_eq!(
                session.hear().unwrap_err().kind(),
                io::ErrorKind::ConnectionReset
            );
        }
        // To a SYN: it is acknowledged.
        scene.agent.lb_ok(["drain", "web/web-2"]).unwrap();
        for address in WEB {
            let error = Session::open(&scene.lab, address).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
        let seen = capture
            .until(&["192.0.2.10.80 > 10.77.0.1.", "2001:db8::10.80 > fd77::1."])
            .unwrap();
        assert_eq!(seen.matches("Flags [R], cksum 0x").count(), 2, "{seen}");
        assert_eq!(seen.matches("Flags [R.], cksum 0x").count(), 2, "{seen}");
        assert_checksums(&seen, 4);
        assert_eq!(
            seen.matches("ttl 64, ").count() + seen.matches("hlim 64, ").count(),
            4,
            "{seen}"
        );
    }
}

#[test]
fn an_upload_arrives_byte_for_byte() {
    let sink =
        Service::new("sink", &["192.0.2.10:9000/tcp", "[2001:db8::10]:9000/tcp"]).backend(1, "");
    for layout in [Layout::one_arm(1), Layout::two_arm(1)] {
        let scene = Scene::start(layout, std::slice::from_ref(&sink)).unwrap();
        for address in ["192.0.2.10:9000", "[2001:db8::10]:9000"] {
            let address: SocketAddr = address.parse().unwrap();
            upload(&scene, "be1", address, address);
        }
        let backend = scene.backend("sink/sink-1").unwrap();
        assert!(
            backend.forwarded.bytes > 2 * UPLOAD,
            "{:?}",
            backend.forwarded
        );
    }
}

/// Bytes that [`upload`] sends.
const UPLOAD: u64 = 8 << 20;

/// Has the client send bytes without a pattern to `service`, and `node` compare those that come to `at`.
#[track_caller]
pub fn upload(scene: &Scene, node: &str, at: SocketAddr, service: SocketAddr) {
    let bytes: Vec<u8> = (0..UPLOAD as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let listener = scene
        .lab
        .in_namespace(node, || TcpListener::bind(at))
        .unwrap()
        .unwrap();
    let server = thread::spawn(move || -> io::Result<Vec<u8>> {
        let mut received = Vec::new();
        let mut stream = listener.accept()?.0;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.read_to_end(&mut received)?;
        Ok(received)
    });
    let connect = || TcpStream::connect_timeout(&service, Duration::from_secs(3));
    let mut client = scene.lab.in_namespace("client", connect).unwrap().unwrap();
    client
        .set_write_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    client.write_all(&bytes).unwrap();
    drop(client);
    assert!(
        server.join().unwrap().unwrap() == bytes,
        "{service}: not what was sent"
    );
}

/// At least `least` checksums were verified, and all were right; IPv4's header has one of its own.
fn assert_checksums(seen: &str, least: usize) {
    assert!(seen.matches("(correct)").count() >= least, "{seen}");
    for wrong in ["incorrect", "bad cksum", "bad-"] {
        assert!(!seen.contains(wrong), "`{wrong}` in:\n{seen}");
    }
}
