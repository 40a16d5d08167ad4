//! Stories that tell what is in the frames that leave.

use lb_agent::config::Config;
use lb_ebpf::verdict::Verdict;
use lb_tests::{
    decoded::{Decoded, decode},
    engines::{Seen, World},
};

use crate::story::Story;

/// What became of a frame, and what it was when it left.
pub struct Sent {
    pub seen: Seen,
    /// None where it was dropped; as it came where it passed.
    pub decoded: Option<Decoded>,
}

impl Sent {
    /// What left.
    pub fn frame(&self) -> &Decoded {
        self.decoded.as_ref().expect("it was not dropped")
    }
}

/// A story in the world of a configuration in words.
pub fn story(config: &str, flows: u32) -> Story {
    let config =
        Config::parse(config, "story.toml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Story::of(&config, flows)
}

/// Takes a frame through both engines and verifies every checksum of what leaves.
pub fn send(world: &World, frame: &[u8]) -> Sent {
    let seen = world
        .run(frame)
        .unwrap_or_else(|disagreement| panic!("{disagreement:#}"));
    let decoded = (seen.verdict != Verdict::Drop).then(|| decode(&seen.frame));
    Sent { seen, decoded }
}

/// Name of the backend that a frame went to.
pub fn backend(world: &World, frame: &[u8]) -> Option<String> {
    let number = send(world, frame).seen.backend?;
    Some(world.backend_name(number))
}

impl Story {
    /// Sends a frame and tells what left.
    pub fn send(&mut self, what: &str, frame: &[u8]) -> Sent {
        let sent = send(&self.world, frame);
        let Seen {
            verdict,
            reason,
            backend,
            ..
        } = &sent.seen;
        let backend = backend.map_or(String::new(), |number| {
            format!(" {}", self.world.backend_name(number))
        });
        let frame = match (&sent.decoded, verdict) {
            (Some(frame), Verdict::Tx | Verdict::Redirect(_)) => format!("\n    {frame}"),
            _ => String::new(),
        };
        let verdict = format!("{verdict:?}").to_lowercase();
        self.say(&format!(
            "{what}\n    {verdict} {}{backend}{frame}",
            reason.label()
        ));
        sent
    }
}
