//! `lb detach`

use std::path::Path;

use anyhow::Result;

use super::table;
use crate::{
    api::model::Changed,
    client::{Client, NoAgent},
    dataplane::pins,
    lock::Lock,
};

/// Has the agent remove everything; where none runs, does it itself.
pub async fn detach(client: &Client, pin_dir: &Path, json: bool) -> Result<()> {
    let changed: Changed = match client.post("/v1/detach", &()).await {
        Ok(changed) => changed,
        Err(error) if error.is::<NoAgent>() => {
            // An agent on another socket holds the links: removing its pins would end nothing and confuse it.
            let _lock = pin_dir.exists().then(|| Lock::pins(pin_dir)).transpose()?;
            Changed {
                changes: pins::remove_all(pin_dir)?,
            }
        }
        Err(error) => return Err(error),
    };
    if json {
        return table::json(&changed);
    }
    if changed.changes.is_empty() {
        table::line(&format!("nothing is pinned in {}", pin_dir.display()))?;
    }
    for removed in &changed.changes {
        table::line(&format!("removed {removed}"))?;
    }
    Ok(())
}
