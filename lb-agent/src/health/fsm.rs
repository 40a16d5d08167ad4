//! Health as a state machine: a row of outcomes in, rare transitions out.
//!
//! One outcome never decides against a known health; `fall` failures in a row take a backend down, `rise` passes in a
//! row take it up. The first outcome alone decides about an Unknown backend, so a new one serves, or is known not to,
//! after one probe (HAProxy starts a server up and takes it down on its first failed check).
//! The whole transition table is the test `the_transition_table`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What probes say of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No probe has come back yet.
    Unknown,
    /// It answers as it should.
    Up,
    /// It does not.
    Down,
}

/// What one probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The expected answer came in time.
    Pass,
    /// It did not.
    Fail,
}

/// A change of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Transition {
    /// Health before.
    pub from: Health,
    /// Health from now on; never the same.
    pub to: Health,
}

/// Times between probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// While the health is settled, unless it is Down.
    pub interval: Duration,
    /// While outcomes speak against it.
    pub fast: Duration,
    /// While it is Down and nothing speaks against that.
    pub down: Duration,
}

/// Health of one backend, and how close it is to changing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fsm {
    health: Health,
    rise: u32,
    fall: u32,
    /// Consecutive outcomes against `health`; 0 where the last one agreed.
    streak: u32,
}

impl Fsm {
    /// A machine in `initial` health that `rise` consecutive passes take up and `fall` consecutive failures take down;
    /// of either, 0 counts as 1.
    pub fn new(initial: Health, rise: u32, fall: u32) -> Self {
        Self {
            health: initial,
            rise,
            fall,
            streak: 0,
        }
    }

    /// What the outcomes so far say.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Consecutive outcomes against the health, and how many would change it: 2 of 3.
    pub fn streak(&self) -> (u32, u32) {
        (self.streak, self.needed())
    }

    /// Whether the last outcome spoke against the health without changing it yet.
    pub fn in_transition(&self) -> bool {
        self.streak > 0
    }

    /// Takes one outcome in; gives the transition if it causes one.
    pub fn observe(&mut self, outcome: Outcome) -> Option<Transition> {
        let says = match outcome {
            Outcome::Pass => Health::Up,
            Outcome::Fail => Health::Down,
        };
        if says == self.health {
            self.streak = 0;
            return None;
        }
        self.streak = self.streak.saturating_add(1);
        if self.streak < self.needed() {
            return None;
        }
        let from = self.health;
        self.health = says;
        self.streak = 0;
        Some(Transition { from, to: says })
    }

    /// Takes new thresholds. Health and streak stay: a change of configuration is no evidence, so a streak that is
    /// long enough by now still needs one outcome more.
    pub fn reconfigure(&mut self, rise: u32, fall: u32) {
        self.rise = rise;
        self.fall = fall;
    }

    /// Time to the next probe: the one that `timing` has for this state, stretched by -10 % to +10 % as `jitter` goes
    /// from 0 to 1, so that probes of many backends do not gather.
    pub fn next_delay(&self, timing: &Timing, jitter: f64) -> Duration {
        let delay = match self.health {
            _ if self.in_transition() => timing.fast,
            Health::Down => timing.down,
            Health::Unknown | Health::Up => timing.interval,
        };
        delay.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0))
    }

    fn needed(&self) -> u32 {
        match self.health {
            Health::Unknown => 1,
            Health::Up => self.fall,
            Health::Down => self.rise,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const RISE: u32 = 2;
    const FALL: u32 = 3;
    const TIMING: Timing = Timing {
        interval: Duration::from_secs(2),
        fast: Duration::from_millis(500),
        down: Duration::from_secs(5),
    };

    #[test]
    fn the_transition_table() {
        let states = [
            (Health::Unknown, 0),
            (Health::Up, 0),
            (Health::Up, 1),
            (Health::Up, 2),
            (Health::Down, 0),
            (Health::Down, 1),
        ];
        let mut table =
            String::from("health  streak  outcome  health  streak  next probe  transition\n");
        for (health, streak) in states {
            for outcome in [Outcome::Pass, Outcome::Fail] {
                let mut fsm = Fsm {
                    health,
                    rise: RISE,
                    fall: FALL,
                    streak,
                };
                let word = if outcome == Outcome::Pass {
                    "pass"
                } else {
                    "fail"
                };
                let transition = fsm
                    .observe(outcome)
                    .map_or(String::new(), |t| t.to_string());
                let next = match fsm.next_delay(&TIMING, 0.5) {
                    delay if delay == TIMING.fast => "fast",
                    delay if delay == TIMING.down => "down",
                    _ => "interval",
                };
                let (after, left) = (fsm.health, fsm.streak);
                let line = format!(
                    "{health:7} {streak:6}  {word:7}  {after:6}  {left:6}  {next:10}  {transition}"
                );
                writeln!(table, "{}", line.trim_end()).unwrap();
            }
        }
        insta::assert_snapshot!(table, @r"
        health  streak  outcome  health  streak  next probe  transition
        unknown      0  pass     up           0  interval    unknown -> up
        unknown      0  fail     down         0  down        unknown -> down
        up           0  pass     up           0  interval
        up           0  fail     up           1  fast
        up           1  pass     up           0  interval
        up           1  fail     up           2  fast
        up           2  pass     up           0  interval
        up           2  fail     down         0  down        up -> down
        down         0  pass     down         1  fast
        down         0  fail     down         0  down
        down         1  pass     up           0  interval    down -> up
        down         1  fail     down         0  down
        ");
    }

    #[test]
    fn delays_are_jittered_by_a_tenth() {
        let fsm = Fsm::new(Health::Unknown, RISE, FALL);
        assert_eq!(fsm.next_delay(&TIMING, 0.0), Duration::from_millis(1800));
        assert_eq!(fsm.next_delay(&TIMING, 0.5), Duration::from_secs(2));
        assert_eq!(fsm.next_delay(&TIMING, 1.0), Duration::from_millis(2200));
    }

    #[test]
    fn a_lower_threshold_waits_for_one_outcome_more() {
        let mut fsm = Fsm::new(Health::Up, RISE, FALL);
        fsm.observe(Outcome::Fail);
        fsm.observe(Outcome::Fail);
        fsm.reconfigure(RISE, 1);
        assert_eq!((fsm.health(), fsm.streak()), (Health::Up, (2, 1)));
        let down = Transition {
            from: Health::Up,
            to: Health::Down,
        };
        assert_eq!(fsm.observe(Outcome::Fail), Some(down));
    }

    #[test]
    fn health_is_written_in_lower_case() {
        assert_eq!(
            serde_json::to_string(&Health::Unknown).unwrap(),
            "\"unknown\""
        );
    }

    /// How many outcomes at the end of `past` are `outcome`.
    fn row(past: &[Outcome], outcome: Outcome) -> usize {
        past.iter()
            .rev()
            .take_while(|past| **past == outcome)
            .count()
    }

    proptest! {
        #[test]
        fn never_a_transition_without_its_evidence(
            initial in prop_oneof![Just(Health::Unknown), Just(Health::Up), Just(Health::Down)],
            rise in 1..6_u32,
            fall in 1..6_u32,
            outcomes in prop::collection::vec(prop_oneof![Just(Outcome::Pass), Just(Outcome::Fail)], 0..200),
        ) {
            let mut fsm = Fsm::new(initial, rise, fall);
            for (count, outcome) in outcomes.iter().enumerate() {
                let before = fsm.health();
                let transition = fsm.observe(*outcome);
                let past = &outcomes[..=count];
                let row = row(past, *outcome);
                let (says, needed) = match outcome {
                    Outcome::Pass => (Health::Up, rise as usize),
                    Outcome::Fail => (Health::Down, fall as usize),
                };
                // Evidence is needed, and enough evidence is never ignored.
                let enough = row >= needed || before == Health::Unknown;
                let expected = (before != says && enough).then_some(Transition { from: before, to: says });
                prop_assert_eq!(transition, expected);
                prop_assert_eq!(fsm.health(), transition.map_or(before, |transition| transition.to));
                prop_assert_ne!(fsm.health(), Health::Unknown);
                let (streak, needed) = fsm.streak();
                prop_assert!(streak < needed);
                prop_assert_eq!(fsm.in_transition(), says != fsm.health());
            }
        }
    }
}
