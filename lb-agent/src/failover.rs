//! Which tier of a service serves: pure, time is an argument.

use crate::{
    api::model::Tier,
    config::{Failback, Service},
};

/// What a service remembers between decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether the backups have the service.
    pub on_backup: bool,
    /// While they have it: since when an active backend has been usable again, in milliseconds.
    pub active_since_ms: Option<u64>,
}

/// What there is to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usable {
    /// An active backend may be given new flows.
    pub active: bool,
    /// A backup may be given new flows.
    pub backup: bool,
}

impl State {
    /// Decides which tier serves from `now_ms` on.
    pub fn decide(&mut self, service: &Service, usable: Usable, now_ms: u64) -> Tier {
        if !usable.active {
            self.active_since_ms = None;
        }
        match (usable.active, usable.backup) {
            (false, false) => Tier::None,
            (false, true) => {
                self.on_backup = true;
                Tier::Backup
            }
            (true, false) => {
                *self = Self::default();
                Tier::Active
            }
            (true, true) if !self.on_backup => Tier::Active,
            (true, true) => {
                let since = *self.active_since_ms.get_or_insert(now_ms);
                let delay = u64::try_from(service.failback_delay.as_millis()).unwrap_or(u64::MAX);
                let due = now_ms.saturating_sub(since) >= delay;
                if service.failback == Failback::Auto && due {
                    *self = Self::default();
                    Tier::Active
                } else {
                    Tier::Backup
                }
            }
        }
    }

    /// Gives the service back to its active backends if one is usable: the operator's word under manual failback.
    pub fn give_back(&mut self) {
        *self = Self::default();
    }

    /// When the next decision may differ although nothing else changes, in milliseconds.
    pub fn due_ms(&self, service: &Service) -> Option<u64> {
        let delay = u64::try_from(service.failback_delay.as_millis()).unwrap_or(u64::MAX);
        self.active_since_ms
            .filter(|_| self.on_backup && service.failback == Failback::Auto)
            .map(|since| since.saturating_add(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn service(extra: &str) -> Service {
        let text = format!(
            "[[interface]]\nname = \"eth0\"\n[[service]]\nname = \"db\"\nlisten = [\"192.0.2.10:5432/tcp\"]\n{extra}\n\
             [[service.backend]]\nname = \"db-1\"\naddress = \"10.0.1.11\"\n\
             [[service.backend]]\nname = \"db-2\"\naddress = \"10.0.1.12\"\nbackup = true\n"
        );
        Config::parse(&text, "test.toml")
            .unwrap()
            .services
            .remove(0)
    }

    const BOTH: Usable = Usable {
        active: true,
        backup: true,
    };
    const ACTIVE: Usable = Usable {
        active: true,
        backup: false,
    };
    const BACKUP: Usable = Usable {
        active: false,
        backup: true,
    };
    const NEITHER: Usable = Usable {
        active: false,
        backup: false,
    };

    /// One story per line: `usable at time -> tier`, told to one state.
    fn story(service: &Service, steps: &[(Usable, u64, Tier)]) {
        let mut state = State::default();
        for (step, (usable, now, tier)) in steps.iter().enumerate() {
            assert_eq!(state.decide(service, *usable, *now), *tier, "step {step}");
        }
    }

    #[test]
    fn the_backup_serves_only_while_no_active_backend_can() {
        story(
            &service(""),
            &[
                (BOTH, 0, Tier::Active),
                (BACKUP, 1, Tier::Backup),
                (NEITHER, 2, Tier::None),
                (BACKUP, 3, Tier::Backup),
                (BOTH, 4, Tier::Active),
                (ACTIVE, 5, Tier::Active),
            ],
        );
    }

    #[test]
    fn a_delayed_failback_waits_for_the_active_backend_to_stay() {
        story(
            &service("failback_delay = \"10s\""),
            &[
                (BACKUP, 0, Tier::Backup),
                (BOTH, 1_000, Tier::Backup),
                (BOTH, 10_999, Tier::Backup),
                (BACKUP, 11_000, Tier::Backup),
                (BOTH, 12_000, Tier::Backup),
                (BOTH, 22_000, Tier::Active),
            ],
        );
    }

    #[test]
    fn manual_failback_waits_for_the_operator_or_for_the_backup_to_fail() {
        let service = service("failback = \"manual\"");
        let mut state = State::default();
        assert_eq!(state.decide(&service, BACKUP, 0), Tier::Backup);
        assert_eq!(state.decide(&service, BOTH, 1_000_000), Tier::Backup);
        state.give_back();
        assert_eq!(state.decide(&service, BOTH, 1_000_001), Tier::Active);
        assert_eq!(state.decide(&service, BACKUP, 1_000_002), Tier::Backup);
        assert_eq!(state.decide(&service, ACTIVE, 1_000_003), Tier::Active);
        assert_eq!(state.decide(&service, BOTH, 1_000_004), Tier::Active);
    }
}
