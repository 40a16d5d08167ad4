//! `lb weight`, `lb drain`, `lb ready`, `lb maint`, `lb reload`

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::table;
use crate::{
    api::model::{Changed, Intent, IntentRequest, Status, WeightRequest},
    client::Client,
    operator::Key,
};

/// A backend whose intent is set.
#[derive(Debug, Args)]
pub struct Change {
    /// Backend.
    #[arg(value_name = "SERVICE/BACKEND", value_parser = super::key)]
    backend: Key,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Weights {
    weight: u16,
    configured_weight: u16,
}

/// Shows or sets a weight.
pub async fn weight(client: &Client, key: &Key, weight: Option<String>, json: bool) -> Result<()> {
    match weight {
        Some(weight) => {
            let (service, backend) = (key.service.clone(), key.backend.clone());
            let request = WeightRequest {
                service,
                backend,
                weight,
            };
            tell(&client.post("/v1/weight", &request).await?, json)
        }
        None => {
            let weights = show(client, key).await?;
            if json {
                return table::json(&weights);
            }
            let Weights {
                weight,
                configured_weight,
            } = weights;
            Ok(table::line(&format!(
                "{key}: weight {weight} ({configured_weight} in the file)"
            ))?)
        }
    }
}

async fn show(client: &Client, key: &Key) -> Result<Weights> {
    let status: Status = client.get("/v1/status").await?;
    let names: Vec<&str> = status
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    let service = status
        .services
        .iter()
        .find(|service| service.name == key.service)
        .with_context(|| {
            format!(
                "no service `{}`; there are {}",
                key.service,
                names.join(", ")
            )
        })?;
    let names: Vec<&str> = service
        .backends
        .iter()
        .map(|backend| backend.name.as_str())
        .collect();
    let backend = service
        .backends
        .iter()
        .find(|backend| backend.name == key.backend)
        .with_context(|| {
            format!(
                "no backend `{}` in service `{}`; it has {}",
                key.backend,
                key.service,
                names.join(", ")
            )
        })?;
    Ok(Weights {
        weight: backend.weight,
        configured_weight: backend.configured_weight,
    })
}

/// Sets an intent.
pub async fn intent(client: &Client, wanted: &Change, intent: Intent) -> Result<()> {
    let Key { service, backend } = wanted.backend.clone();
    let request = IntentRequest {
        service,
        backend,
        intent,
    };
    tell(&client.post("/v1/intent", &request).await?, wanted.json)
}

/// Has the agent re-read its file.
pub async fn reload(client: &Client, json: bool) -> Result<()> {
    tell(&client.post("/v1/reload", &()).await?, json)
}

fn tell(changed: &Changed, json: bool) -> Result<()> {
    if json {
        return table::json(changed);
    }
    if changed.changes.is_empty() {
        table::line("nothing to change")?;
    }
    for change in &changed.changes {
        table::line(change)?;
    }
    Ok(())
}
