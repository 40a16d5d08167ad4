//! A flow table that is too small: newcomers are served, the quiet ones pay, and it is said.

use std::io;

use lb_tests::lab::{
    Layout, Scene,
    client::Session,
    scene::{WEB, web},
};

/// Flows the table holds: as few as can be asked for.
const ROOM: u64 = 64;

/// Connections, all kept open.
const GUESTS: usize = 200;

#[test]
fn a_full_table_forgets_the_quiet_and_says_so() {
    let services = [web().without("probe").backend(1, "").backend(2, "")];
    let mut scene = Scene::prepare("native", Layout::one_arm(2), &services).unwrap();
    let config = scene.config(&services).unwrap();
    let small = config.replacen("[agent]", &format!("[agent]\nflows = {ROOM}"), 1);
    scene.agent.write_config(&small).unwrap();
    scene.agent.restart().unwrap();
    assert_eq!(scene.agent.status().unwrap().flow_table.capacity, ROOM);

    let mut guests: Vec<_> = (0..GUESTS)
        .map(|number| {
            let mut session = Session::open(&scene.lab, WEB[number % 2]).unwrap();
            let server = session.ask().unwrap();
            (server, session)
        })
        .collect();
    let status = scene.agent.status().unwrap();
    let forgotten = status.events["flow_evicted"];
    assert_eq!(forgotten + status.flow_table.live, GUESTS as u64);
    assert!(status.flow_table.live <= ROOM, "{:?}", status.flow_table);
    let text = scene.agent.lb_ok(["status"]).unwrap();
    assert!(
        text.contains(&format!("events: flow_evicted {forgotten}")),
        "{text}"
    );

    // Nobody is left without an answer: those who are known are served by whom they know, the others are told.
    let mut reset = 0;
    for (server, session) in &mut guests {
        match session.ask() {
            Ok(answer) => assert_eq!(answer, *server),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => reset += 1,
            Err(error) => panic!("neither served nor reset: {error}"),
        }
    }
    assert_eq!(reset, forgotten);
    assert_eq!(scene.packets().unwrap()["reset_no_flow"], forgotten);
    // The last to come is still there.
    let (server, session) = guests.last_mut().unwrap();
    assert_eq!(session.ask().unwrap(), *server);
}
