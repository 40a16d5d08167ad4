//! How late the flow table may learn that an open flow lives: the later, the less is written while packets pass.

use std::time::Duration;

use crate::config::{Config, Listen, Protocol};

/// Shortest and longest.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(8);
/// Part of the shortest idle time that it may be.
const PART: u32 = 8;

/// How late, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness(u32);

impl Lateness {
    /// An eighth of the shortest idle time of an open flow, but at least a second and at most eight.
    pub fn of(config: &Config, hz: u32) -> Self {
        let idle = config.services.iter().flat_map(|service| {
            let of = |listen: &Listen| match listen.protocol {
                Protocol::Tcp => service.tcp_idle,
                Protocol::Udp => service.udp_idle,
            };
            service.listen.iter().map(of)
        });
        let shortest = idle.min().unwrap_or(MOST);
        let time = (shortest / PART).clamp(LEAST, MOST);
        Self(u32::try_from(time.as_millis() * u128::from(hz) / 1000).unwrap_or(hz))
    }

    /// All of it.
    pub const fn ticks(self) -> u32 {
        self.0
    }

    /// [`lb_common::Control::turn`]: at most half of it is a turn of the clock.
    pub fn turn(self) -> u8 {
        (self.0 / 2).checked_ilog2().unwrap_or(0) as u8
    }

    /// [`lb_common::Control::seen_step`]: what a turn leaves of it.
    pub fn step(self) -> u32 {
        self.0.saturating_sub(1 << self.turn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_and_a_step_fill_it() {
        for ticks in [100, 250, 1000, 3750, 8000] {
            let lateness = Lateness(ticks);
            let turn = 1 << lateness.turn();
            assert!(turn * 4 > ticks && turn * 2 <= ticks, "{ticks}: {turn}");
            assert_eq!(turn + lateness.step(), ticks);
        }
    }

    #[test]
    fn it_follows_the_shortest_idle_time() {
        let with = |listen: &str, times: &str| {
            let text = format!(
                r#"
[[interface]]
name = "eth0"
[[service]]
name = "web"
listen = [{listen}]
{times}
[[service.backend]]
name = "a"
address = "192.0.2.1"
"#
            );
            Lateness::of(&Config::parse(&text, "lb.toml").unwrap(), 250).ticks()
        };
        assert_eq!(with(r#""192.0.2.10:80/tcp""#, ""), 8 * 250);
        assert_eq!(with(r#""192.0.2.10:80/tcp""#, r#"tcp_idle = "16s""#), 500);
        assert_eq!(with(r#""192.0.2.10:53/udp""#, r#"udp_idle = "30s""#), 937);
        assert_eq!(with(r#""192.0.2.10:53/udp""#, r#"udp_idle = "1s""#), 250);
        assert_eq!(with(r#""192.0.2.10:80/tcp""#, r#"udp_idle = "1s""#), 2000);
    }
}
