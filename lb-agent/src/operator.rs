//! What operators changed at run time, kept over restarts.
//!
//! A changed weight remembers what the file said when it was changed: it lasts until the file says something else.

use std::{
    collections::BTreeMap, fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{api::model::Intent, config::Config};

/// Names one backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its service.
    pub service: String,
    /// Its own name.
    pub backend: String,
}

impl Key {
    /// The backend `backend` of `service`.
    pub fn new(service: impl Into<String>, backend: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            backend: backend.into(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.backend)
    }
}

/// A weight set at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// The weight.
    pub value: u16,
    /// What the file said when it was set.
    pub configured: u16,
}

/// Every change that is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    weights: BTreeMap<Key, Weight>,
    intents: BTreeMap<Key, Intent>,
}

/// The file's form.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    service: String,
    backend: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Weight>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intent: Option<Intent>,
}

impl Operator {
    /// The weight in force where the file says `configured`.
    pub fn weight(&self, key: &Key, configured: u16) -> u16 {
        self.weights
            .get(key)
            .map_or(configured, |weight| weight.value)
    }

    /// What is wanted of a backend.
    pub fn intent(&self, key: &Key) -> Intent {
        self.intents.get(key).copied().unwrap_or_default()
    }

    /// Sets a weight; the file's own weight ends the change.
    pub fn set_weight(&mut self, key: Key, value: u16, configured: u16) {
        if value == configured {
            self.weights.remove(&key);
        } else {
            self.weights.insert(key, Weight { value, configured });
        }
    }

    /// Sets an intent.
    pub fn set_intent(&mut self, key: Key, intent: Intent) {
        if intent == Intent::Ready {
            self.intents.remove(&key);
        } else {
            self.intents.insert(key, intent);
        }
    }

    /// Drops what `config` has overtaken: backends that are gone, weights that the file changed. Says what it
    /// dropped.
    pub fn settle(&mut self, config: &Config) -> Vec<String> {
        let configured: BTreeMap<Key, u16> = config
            .services
            .iter()
            .flat_map(|service| {
                service
                    .backends
                    .iter()
                    .map(|backend| (Key::new(&service.name, &backend.name), backend.weight))
            })
            .collect();
        let mut dropped = Vec::new();
        self.weights
            .retain(|key, weight| match configured.get(key) {
                Some(now) if *now == weight.configured => true,
                Some(now) => {
                    dropped.push(format!(
                        "{key}: weight {} -> {now}, because the file changed it from {}",
                        weight.value, weight.configured
                    ));
                    false
                }
                None => false,
            });
        self.intents.retain(|key, _| configured.contains_key(key));
        dropped
    }

    /// Reads the file at `path`; none there is no change.
    ///
    /// # Errors
    /// Where it cannot be read or understood.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let entries: Vec<Entry> = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is not a state file of lb: move it away to start without run-time changes",
                path.display()
            )
        })?;
        let mut operator = Self::default();
        for entry in entries {
            let key = Key::new(entry.service, entry.backend);
            if let Some(weight) = entry.weight {
                operator.weights.insert(key.clone(), weight);
            }
            if let Some(intent) = entry.intent {
                operator.intents.insert(key, intent);
            }
        }
        Ok(operator)
    }

    /// Writes the file at `path`, whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written; the former file is then still there.
    pub fn save(&self, path: &Path) -> Result<()> {
        let keys: std::collections::BTreeSet<&Key> =
            self.weights.keys().chain(self.intents.keys()).collect();
        let entries: Vec<Entry> = keys
            .into_iter()
            .map(|key| Entry {
                service: key.service.clone(),
                backend: key.backend.clone(),
                weight: self.weights.get(key).copied(),
                intent: self.intents.get(key).copied(),
            })
            .collect();
        let text = serde_json::to_string_pretty(&entries)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let fresh = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(weight: u16) -> Config {
        let text = format!(
            "[[interface]]\nname = \"eth0\"\n[[service]]\nname = \"web\"\nlisten = [\"192.0.2.10:80/tcp\"]\n\
             [[service.backend]]\nname = \"web-1\"\naddress = \"10.0.1.11\"\nweight = {weight}\n"
        );
        Config::parse(&text, "test.toml").unwrap()
    }

    fn key() -> Key {
        Key::new("web", "web-1")
    }

    #[test]
    fn a_changed_weight_lasts_until_the_file_changes_it() {
        let mut operator = Operator::default();
        operator.set_weight(key(), 50, 100);
        assert_eq!(operator.settle(&config(100)), Vec::<String>::new());
        assert_eq!(operator.weight(&key(), 100), 50);
        assert_eq!(operator.settle(&config(80)).len(), 1);
        assert_eq!(operator.weight(&key(), 80), 80);
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/state.json");
        let mut operator = Operator::default();
        operator.set_weight(key(), 0, 100);
        operator.set_intent(key(), Intent::Drain);
        operator.save(&path).unwrap();
        assert_eq!(Operator::load(&path).unwrap(), operator);
    }

    #[test]
    fn no_file_is_no_change_and_a_wrong_one_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert_eq!(Operator::load(&path).unwrap(), Operator::default());
        fs::write(&path, "{").unwrap();
        let error = format!("{:#}", Operator::load(&path).unwrap_err());
        assert!(error.contains("move it away"), "{error}");
    }
}
