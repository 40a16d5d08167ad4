//! A client that comes again from the same port is served at once, as somebody new.

use std::time::{Duration, Instant};

use lb_tests::lab::{
    Layout, Scene,
    client::Session,
    scene::{WEB, tell, web},
};

/// Far less than the second after which a lost SYN is sent again.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Times the same port is used.
const TIMES: usize = 12;

#[test]
fn a_port_is_used_again_after_the_server_closed() {
    reuse(|session| session.ask_for_the_end().unwrap());
}

#[test]
fn a_port_is_used_again_after_the_client_reset() {
    reuse(|mut session| {
        let server = session.ask().unwrap();
        session.abort().unwrap();
        server
    });
}

fn reuse(talk: impl Fn(Session) -> String) {
    let services = [web().backend(1, "").backend(2, "")];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    for address in WEB {
        let before = scene.packets().unwrap();
        let mut slowest = Duration::ZERO;
        let servers: Vec<_> = (0..TIMES)
            .map(|_| {
                let begun = Instant::now();
                let session = Session::open_from(&scene.lab, 40_001, address).unwrap();
                slowest = slowest.max(begun.elapsed());
                talk(session)
            })
            .collect();
        assert!(slowest < AT_ONCE, "{slowest:?}");
        // Every one of them was a choice of its own.
        for pair in servers.windows(2) {
            assert_ne!(pair[0], pair[1], "{servers:?}");
        }
        let after = scene.packets().unwrap();
        let grown = |reason: &str| {
            let count = |packets: &std::collections::BTreeMap<String, u64>| {
                packets.get(reason).copied().unwrap_or(0)
            };
            count(&after) - count(&before)
        };
        assert_eq!(
            (grown("flow_new"), grown("flow_reused")),
            (1, TIMES as u64 - 1)
        );
        assert_eq!((grown("reset_no_flow"), grown("stray_reset")), (0, 0));
        tell(format!(
            "port used {TIMES} times, slowest connection {slowest:.1?}"
        ));
    }
}
