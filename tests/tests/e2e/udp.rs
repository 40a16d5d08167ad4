//! UDP: a flow stays while it is busy, ends when it is idle, and leaves a backend that is down.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use lb_agent::{
    api::model::{Explanation, FlowStatus},
    health::Health,
};
use lb_tests::lab::{
    Echo, Layout, Scene, layout,
    scene::{PROBE, Service},
    wait_until,
};

const DNS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(layout::WEB_V4), 53),
    SocketAddr::new(IpAddr::V6(layout::WEB_V6), 53),
];

/// The service, probed by HTTP: what is asked need not be what is served.
fn dns() -> Service {
    Service::new("dns", &["192.0.2.10:53/udp", "[2001:db8::10]:53/udp"])
        .with(PROBE)
        .with("udp_idle = \"1s\"")
        .backend(1, "")
        .backend(2, "")
}

fn scene(layout: Layout) -> (Scene, Vec<Echo>) {
    let scene = Scene::start(layout, &[dns()]).unwrap();
    let echoes = (1..=2).map(|number| {
        Echo::start(
            &scene.lab,
            &format!("be{number}"),
            &format!("dns-{number}"),
            &DNS,
        )
        .unwrap()
    });
    let echoes = echoes.collect();
    (scene, echoes)
}

#[test]
fn a_busy_flow_stays_and_new_ones_take_turns() {
    for layout in [Layout::one_arm(2), Layout::two_arm(2)] {
        let (scene, _echoes) = scene(layout);
        for address in DNS {
            let clients: Vec<_> = (0..5).map(|_| client(&scene, address)).collect();
            let first: Vec<_> = clients.iter().map(|client| ask(client).unwrap()).collect();
            for pair in first.windows(2) {
                assert_ne!(pair[0], pair[1], "{first:?}");
            }
            // Longer than the idle time, but never idle.
            let begun = Instant::now();
            wait_until(Duration::from_secs(10), "two idle times", || {
                let again: Vec<_> = clients.iter().map(|client| ask(client).unwrap()).collect();
                assert_eq!(again, first, "after {:?}", begun.elapsed());
                begun.elapsed() > Duration::from_millis(2500)
            })
            .unwrap();
        }
        let packets = scene.packets().unwrap();
        assert_eq!(packets["flow_new"], 10, "{packets:?}");
        assert_eq!(packets.get("flow_reused"), None, "{packets:?}");
    }
}

#[test]
fn an_idle_flow_ends_and_its_next_datagram_is_a_new_choice() {
    let (scene, _echoes) = scene(Layout::one_arm(2));
    for address in DNS {
        let client = client(&scene, address);
        let mut server = ask(&client).unwrap();
        for _ in 0..2 {
            assert_eq!(ask(&client).unwrap(), server);
            let said = Instant::now();
            assert_eq!(flows(&scene).len(), 1);
            wait_until(Duration::from_secs(5), "the flow to end", || {
                flows(&scene).is_empty()
            })
            .unwrap();
            // Not before its time, and not much later: flows are looked at to within a second.
            let lived = said.elapsed();
            assert!(
                lived > Duration::from_millis(950) && lived < Duration::from_millis(2300),
                "{lived:?}"
            );
            let before = scene.packets().unwrap();
            let next = ask(&client).unwrap();
            assert_ne!(next, server);
            assert_eq!(ask(&client).unwrap(), next);
            let after = scene.packets().unwrap();
            let reused =
                |packets: &BTreeMap<String, u64>| packets.get("flow_reused").copied().unwrap_or(0);
            assert_eq!(reused(&after) - reused(&before), 1);
            assert_eq!(after["flow_new"], before["flow_new"]);
            server = next;
        }
        wait_until(Duration::from_secs(5), "the flow to end", || {
            flows(&scene).is_empty()
        })
        .unwrap();
    }
}

#[test]
fn the_next_datagram_leaves_a_backend_that_is_down() {
    let (mut scene, _echoes) = scene(Layout::one_arm(2));
    let clients: Vec<_> = DNS
        .iter()
        .flat_map(|address| [client(&scene, *address), client(&scene, *address)])
        .collect();
    let servers: Vec<_> = clients.iter().map(|client| ask(client).unwrap()).collect();
    assert_eq!(servers, ["dns-1", "dns-2", "dns-1", "dns-2"]);
    scene.kill_web(1);
    // Busy meanwhile, and nothing is lost: the echo itself lives on.
    scene
        .until("dns-1 to be down", |status| {
            for client in &clients {
                ask(client).unwrap();
            }
            status.services[0].backends[0].health == Health::Down
        })
        .unwrap();
    for client in &clients {
        assert_eq!(ask(client).unwrap(), "dns-2");
    }
    let packets = scene.packets().unwrap();
    assert_eq!(packets["flow_moved"], 2, "{packets:?}");
    assert_eq!(packets["flow_new"], 4, "{packets:?}");
}

#[test]
fn a_drained_backend_keeps_its_busy_flows() {
    let (scene, _echoes) = scene(Layout::one_arm(2));
    let [one, two] = [client(&scene, DNS[0]), client(&scene, DNS[0])];
    assert_eq!([ask(&one).unwrap(), ask(&two).unwrap()], ["dns-1", "dns-2"]);
    scene.agent.lb_ok(["drain", "dns/dns-1"]).unwrap();
    assert_eq!(ask(&one).unwrap(), "dns-1");
    for _ in 0..4 {
        assert_eq!(ask(&client(&scene, DNS[0])).unwrap(), "dns-2");
    }
    assert_eq!(ask(&one).unwrap(), "dns-1");
}

#[test]
fn a_removed_listener_goes_when_its_last_flow_has_ended() {
    let (scene, _echoes) = scene(Layout::one_arm(2));
    let reason = |scene: &Scene| {
        let args = ["explain", "10.77.0.1:9", "192.0.2.10:53/udp", "--json"];
        let answer = scene.agent.lb_ok(args).unwrap();
        serde_json::from_str::<Explanation>(&answer)
            .unwrap()
            .first
            .reason
    };
    let busy = client(&scene, DNS[0]);
    let server = ask(&busy).unwrap();
    let other = Service::new("other", &["192.0.2.20:53/udp"]).backend(1, "");
    scene.reload(std::slice::from_ref(&other)).unwrap();
    // Whoever is there is served on, whoever comes goes to the host.
    let begun = Instant::now();
    wait_until(Duration::from_secs(10), "two idle times", || {
        assert_eq!(ask(&busy).unwrap(), server);
        assert_eq!(reason(&scene), "closing");
        begun.elapsed() > Duration::from_millis(2500)
    })
    .unwrap();
    assert!(ask(&client(&scene, DNS[0])).is_err());
    wait_until(Duration::from_secs(6), "the listener to go", || {
        reason(&scene) == "no_service"
    })
    .unwrap();
}

/// A socket of the client's that speaks to `address`.
pub fn client(scene: &Scene, address: SocketAddr) -> UdpSocket {
    let any: SocketAddr = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    }
    .parse()
    .unwrap();
    let socket = scene
        .lab
        .in_namespace("client", || UdpSocket::bind(any))
        .unwrap()
        .unwrap();
    socket.connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    socket
}

/// Sends a datagram and tells who sent it back; what comes back is what was sent.
pub fn ask(client: &UdpSocket) -> std::io::Result<String> {
    client.send(b"who are you?")?;
    let mut answer = [0; 100];
    let length = client.recv(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    let (server, echoed) = answer.split_once(' ').unwrap();
    assert_eq!(echoed, "who are you?");
    Ok(server.to_owned())
}

fn flows(scene: &Scene) -> Vec<FlowStatus> {
    let json = scene
        .agent
        .lb_ok(["flows", "--service", "dns", "--json"])
        .unwrap();
    serde_json::from_str(&json).unwrap()
}
