//! What operators can ask for, and what becomes of it. Every change is one log line: who, what, old, new.

use std::collections::BTreeMap;

use super::{Agent, start::PATIENCE, wanted_addresses};
use crate::{
    api::model::{Changed, Intent},
    config::{self, Config},
    dataplane::pins,
    event::{Command, Refusal},
    neighbour::Resolver,
    operator::{Key, Operator},
    reconcile::target::Target,
};

/// Largest weight.
const MAX_WEIGHT: u32 = 256;

impl Agent {
    pub(super) async fn command(&mut self, command: Command, by: &str) -> Result<Changed, Refusal> {
        let changes = match command {
            Command::Weight(key, weight) => self.set_weight(&key, &weight)?,
            Command::Intent(key, intent) => self.set_intent(&key, intent)?,
            Command::Reload => self.reload().await?,
            Command::Detach => return self.detach(by),
        };
        for change in &changes {
            tracing::info!("{change} (by {by})");
        }
        Ok(Changed { changes })
    }

    fn set_weight(&mut self, key: &Key, wanted: &str) -> Result<Vec<String>, Refusal> {
        let configured = backend(&self.config, key)?.weight;
        let weight = parse_weight(wanted, configured).map_err(Refusal::wrong)?;
        let old = self.operator.weight(key, configured);
        let mut operator = self.operator.clone();
        operator.set_weight(key.clone(), weight, configured);
        self.adopt(operator)?;
        Ok(if old == weight {
            Vec::new()
        } else {
            vec![format!("{key}: weight {old} -> {weight}")]
        })
    }

    fn set_intent(&mut self, key: &Key, intent: Intent) -> Result<Vec<String>, Refusal> {
        let is_backup = backend(&self.config, key)?.backup;
        let old = self.operator.intent(key);
        let mut operator = self.operator.clone();
        operator.set_intent(key.clone(), intent);
        let gives_back = intent == Intent::Ready && !is_backup;
        let was_on_backup = self
            .failover
            .get(&key.service)
            .is_some_and(|state| state.on_backup);
        if gives_back && let Some(state) = self.failover.get_mut(&key.service) {
            // Under manual failback "ready" for an active backend is the operator's word that it may serve again.
            state.give_back();
        }
        self.adopt(operator)?;
        let mut changes = Vec::new();
        if old != intent {
            changes.push(format!("{key}: {old} -> {intent}"));
        }
        let on_backup = self
            .failover
            .get(&key.service)
            .is_some_and(|state| state.on_backup);
        if was_on_backup && !on_backup {
            changes.push(format!(
                "{}: given back to its active backends",
                key.service
            ));
        }
        Ok(changes)
    }

    /// Puts changed intent in force, then on disk. If the disk refuses, it is in force all the same and said so.
    fn adopt(&mut self, operator: Operator) -> Result<(), Refusal> {
        let former = std::mem::replace(&mut self.operator, operator);
        self.probes
            .arrange(&self.config, &self.operator, &BTreeMap::new());
        if let Err(error) = self.reconcile() {
            self.operator = former;
            self.probes
                .arrange(&self.config, &self.operator, &BTreeMap::new());
            return Err(Refusal::wrong(format!("{error:#}")));
        }
        self.save();
        Ok(())
    }

    fn save(&self) {
        if let Err(error) = self.operator.save(&self.config.agent.state) {
            tracing::error!("changes made now will not survive a restart: {error:#}");
        }
    }

    async fn reload(&mut self) -> Result<Vec<String>, Refusal> {
        let config = Config::load(&self.path).map_err(Refusal::wrong)?;
        let mut changes = unchangeable(&self.config, &config).map_err(Refusal::wrong)?;
        let mut operator = self.operator.clone();
        changes.extend(operator.settle(&config));
        self.find_hops(&config)
            .await
            .map_err(|error| Refusal::wrong(format!("{error:#}")))?;
        let added = self.interfaces.add(&self.dataplane, &config).await;
        changes.extend(added.map_err(|error| Refusal::wrong(format!("{error:#}")))?);
        self.interfaces
            .look_closer(&config)
            .await
            .map_err(|error| Refusal::wrong(format!("{error:#}")))?;
        changes.extend(differences(&self.config, &config));
        self.put_in_force(config, operator)?;
        let removed = self.interfaces.remove_others(&self.config);
        changes.extend(removed.map_err(|error| Refusal::wrong(format!("{error:#}")))?);
        self.save();
        Ok(changes)
    }

    /// Puts a new configuration in force, or goes back to the one there was.
    fn put_in_force(&mut self, config: Config, operator: Operator) -> Result<(), Refusal> {
        let former = (
            std::mem::replace(&mut self.config, config),
            std::mem::replace(&mut self.operator, operator),
        );
        self.probes
            .arrange(&self.config, &self.operator, &BTreeMap::new());
        if let Err(error) = self.reconcile() {
            (self.config, self.operator) = former;
            self.probes
                .arrange(&self.config, &self.operator, &BTreeMap::new());
            self.reconcile_or_log();
            if let Err(error) = self.interfaces.remove_others(&self.config) {
                tracing::error!("{error:#}");
            }
            return Err(Refusal::wrong(format!("{error:#}")));
        }
        Ok(())
    }

    /// Looks for the next hops of backends that are new in `config`, so that they can serve from the first moment:
    /// a file that replaces every backend would else leave one in which nobody can.
    async fn find_hops(&mut self, config: &Config) -> anyhow::Result<()> {
        let mut fresh = wanted_addresses(config, &Target::default());
        fresh.retain(|ip| !self.network.hops.contains_key(ip));
        if !fresh.is_empty() {
            let (mut resolver, _changes) = Resolver::open()?;
            let network = resolver.settle(&fresh, PATIENCE).await;
            self.network.hops.extend(network.hops);
            self.network.links = network.links;
        }
        Ok(())
    }

    pub(super) fn detach(&mut self, by: &str) -> Result<Changed, Refusal> {
        let removed = pins::remove_all(&self.config.agent.pin_dir);
        let changes = removed.map_err(|error| Refusal::wrong(format!("{error:#}")))?;
        for change in &changes {
            tracing::info!("removed {change} (by {by})");
        }
        Ok(Changed { changes })
    }
}

fn backend<'a>(config: &'a Config, key: &Key) -> Result<&'a config::Backend, Refusal> {
    let Some(service) = config
        .services
        .iter()
        .find(|service| service.name == key.service)
    else {
        let names: Vec<&str> = config
            .services
            .iter()
            .map(|service| service.name.as_str())
            .collect();
        return Err(Refusal::unknown(format!(
            "no service `{}`; there are {}",
            key.service,
            names.join(", ")
        )));
    };
    service
        .backends
        .iter()
        .find(|backend| backend.name == key.backend)
        .ok_or_else(|| {
            let names: Vec<&str> = service
                .backends
                .iter()
                .map(|backend| backend.name.as_str())
                .collect();
            Refusal::unknown(format!(
                "no backend `{}` in service `{}`; it has {}",
                key.backend,
                key.service,
                names.join(", ")
            ))
        })
}

fn parse_weight(text: &str, configured: u16) -> Result<u16, String> {
    let wrong = || {
        format!(
            "weight `{text}` is not understood: give 0 to {MAX_WEIGHT}, or 0% to 100% of the file's {configured}"
        )
    };
    let weight = match text.strip_suffix('%') {
        Some(percent) => {
            let percent: u32 = percent.parse().map_err(|_| wrong())?;
            if percent > 100 {
                return Err(wrong());
            }
            let weight = (u32::from(configured) * percent + 50) / 100;
            // Some of a weight is not none of it: 0 would drain.
            if percent > 0 && configured > 0 {
                weight.max(1)
            } else {
                weight
            }
        }
        None => text.parse().map_err(|_| wrong())?,
    };
    if weight > MAX_WEIGHT {
        return Err(wrong());
    }
    u16::try_from(weight).map_err(|_| wrong())
}

/// Refuses what cannot change while the agent runs; says what waits for a restart.
fn unchangeable(old: &Config, new: &Config) -> Result<Vec<String>, String> {
    if old.agent.pin_dir != new.agent.pin_dir || old.agent.api != new.agent.api {
        return Err("`pin_dir` and `api` cannot change while the agent runs: stop it, `lb detach`, and start it again".into());
    }
    let mut later = Vec::new();
    if old.agent.flows != new.agent.flows || old.agent.seed != new.agent.seed {
        later.push("agent.flows, agent.seed: take effect after `lb detach`".into());
    }
    if old.agent.metrics != new.agent.metrics || old.agent.packet_log != new.agent.packet_log {
        later.push("agent.metrics, agent.packet_log: take effect at the next start".into());
    }
    for interface in &new.interfaces {
        let former = old.interfaces.iter().find(|i| i.name == interface.name);
        if former.is_some_and(|former| former.xdp != interface.xdp) {
            later.push(format!(
                "interface {}: `xdp` takes effect after `lb detach`",
                interface.name
            ));
        }
    }
    Ok(later)
}

/// What a reload changes, by service.
fn differences(old: &Config, new: &Config) -> Vec<String> {
    let find =
        |config: &Config, name: &str| config.services.iter().find(|s| s.name == name).cloned();
    let removed = old.services.iter().filter(|s| find(new, &s.name).is_none());
    let removed =
        removed.map(|s| format!("service {}: removed; its flows may end in peace", s.name));
    let changed = new
        .services
        .iter()
        .filter_map(|service| match find(old, &service.name) {
            None => Some(format!("service {}: added", service.name)),
            Some(former) if former != *service => {
                Some(format!("service {}: changed", service.name))
            }
            Some(_) => None,
        });
    removed.chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::parse_weight;

    #[test]
    fn weights_are_numbers_or_percent_of_the_file_s() {
        assert_eq!(parse_weight("0", 100), Ok(0));
        assert_eq!(parse_weight("256", 1), Ok(256));
        assert_eq!(parse_weight("50%", 100), Ok(50));
        assert_eq!(parse_weight("1%", 10), Ok(1));
        assert_eq!(parse_weight("0%", 10), Ok(0));
        for wrong in ["", "-1", "257", "101%", "ten", "5 %", "1.5"] {
            assert!(parse_weight(wrong, 100).unwrap_err().contains(wrong));
        }
    }
}
