//! A story: frames one after the other, each with what became of it, told by both engines.

pub mod sound;

use std::{fmt::Write as _, net::SocketAddr};

use lb_agent::config::Config;
use lb_common::{Backend, Map};
use lb_ebpf::verdict::Verdict;
use lb_tests::{
    engines::{Changes, Seen, World, test_config},
    frames::{self, Segment},
};

pub struct Story {
    pub world: World,
    text: String,
}

impl Story {
    pub fn new() -> Self {
        Self::with_flows(64)
    }

    pub fn with_flows(flows: u32) -> Self {
        Self::of(&test_config(), flows)
    }

    /// A story in the world of a configuration, whose flow table holds `flows` flows.
    pub fn of(config: &Config, flows: u32) -> Self {
        Self::in_world(World::new(config, flows).expect("run this as root: `cargo xtask test`"))
    }

    /// A story in this world.
    pub fn in_world(world: World) -> Self {
        Self {
            world,
            text: String::new(),
        }
    }

    /// A frame that is told as `what`.
    pub fn frame(&mut self, what: &str, frame: &[u8]) -> &mut Self {
        self.run(what, frame);
        self
    }

    /// The same; returns what became of it. What leaves must be sound.
    pub fn run(&mut self, what: &str, frame: &[u8]) -> Seen {
        let seen = self
            .world
            .run(frame)
            .unwrap_or_else(|disagreement| panic!("{what}: {disagreement:#}"));
        let verdict = match seen.verdict {
            Verdict::Pass => "pass".into(),
            Verdict::Drop => "drop".into(),
            Verdict::Tx => "tx".into(),
            Verdict::Redirect(ifindex) => format!("redirect({ifindex})"),
        };
        let backend = seen
            .backend
            .map(|number| format!(" {}", self.world.backend_name(number)))
            .unwrap_or_default();
        if matches!(seen.verdict, Verdict::Tx | Verdict::Redirect(_)) {
            sound::assert_sound(what, &seen.frame);
        }
        let changes = Changes::between(frame, &seen.frame);
        let reason = seen.reason.label();
        self.say(&format!(
            "{what}\n    {verdict} {reason}{backend}; changed {changes}; {}",
            seen.counted
        ));
        seen
    }

    pub fn tcp(&mut self, from: &str, to: &str, segment: &Segment) -> &mut Self {
        let data = if segment.payload.is_empty() {
            String::new()
        } else {
            format!("+{}", segment.payload.len())
        };
        let what = format!(
            "{}{data} seq {} {from} > {to}",
            segment.flags, segment.sequence
        );
        self.frame(&what, &frames::tcp(socket(from), socket(to), segment))
    }

    pub fn udp(&mut self, from: &str, to: &str) -> &mut Self {
        self.frame(
            &format!("udp {from} > {to}"),
            &frames::udp(socket(from), socket(to), b"question"),
        )
    }

    pub fn say(&mut self, line: &str) -> &mut Self {
        writeln!(self.text, "{line}").expect("a string takes text");
        self
    }

    /// Gives a backend these permissions in both engines.
    pub fn allow(&mut self, name: &str, flags: u8, why: &str) -> &mut Self {
        let number = self.world.backend_number(name);
        self.world
            .change::<Backend>(Map::Backends, u32::from(number), |backend| {
                backend.flags = flags
            });
        self.say(&format!("-- {why}"))
    }

    pub fn older(&mut self, seconds: u32) -> &mut Self {
        let control: lb_common::Control = lb_common::memory::read(
            lb_common::memory::Memory::words(&*self.world.kernel, Map::Control),
            0,
        )
        .expect("there is one control record");
        self.world.age_flows(seconds * control.hz);
        self.say(&format!("-- {seconds} s pass"))
    }

    pub fn told(&self) -> &str {
        &self.text
    }
}

pub fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}
