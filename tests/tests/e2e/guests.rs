//! Connections that are there before something happens and must not notice it: on each of two backends a long
//! download over IPv4 and an idle connection over IPv6.

use lb_tests::lab::{
    Scene,
    client::{Download, Session},
    scene::WEB,
};

/// More than is downloaded in twenty seconds, unless in a hurry.
const LENGTH: u64 = 64 << 20;

/// The connections.
pub struct Guests {
    downloads: Vec<Download>,
    idle: Vec<(String, Session)>,
}

impl Guests {
    /// Opens them all; they fall to `web-1` and `web-2` in turn.
    pub fn arrive(scene: &mut Scene) -> Self {
        for number in [1, 2] {
            let file = scene.web(number).unwrap().big();
            Download::prepare(&file, LENGTH).unwrap();
        }
        let [v4, v6] = WEB;
        let downloads: Vec<_> = (0..2)
            .map(|_| Download::start(&scene.lab, v4).unwrap())
            .collect();
        let idle = (0..2)
            .map(|_| {
                let mut session = Session::open(&scene.lab, v6).unwrap();
                (session.ask().unwrap(), session)
            })
            .collect();
        let guests = Self { downloads, idle };
        let mut servers = guests.servers();
        servers.sort();
        assert_eq!(servers, ["web-1", "web-1", "web-2", "web-2"]);
        guests
    }

    /// Every one of them is served on, by the server it had, after `what` has happened.
    pub fn are_served_after(&mut self, what: &str) {
        for download in &self.downloads {
            if let Err(error) = download.goes_on() {
                panic!("after {what}: {error:#}");
            }
        }
        for (server, session) in &mut self.idle {
            match session.ask() {
                Ok(answer) => assert_eq!(answer, *server, "after {what}"),
                Err(error) => panic!("after {what}: the idle connection to {server}: {error}"),
            }
        }
    }

    /// The downloads end well, every byte in its place.
    pub fn leave(self) {
        for download in self.downloads {
            assert_eq!(download.finish().unwrap(), LENGTH);
        }
    }

    fn servers(&self) -> Vec<&str> {
        let downloads = self.downloads.iter().map(Download::server);
        let idle = self.idle.iter().map(|(server, _)| server.as_str());
        downloads.chain(idle).collect()
    }
}
