//! `lb check`

use std::path::Path;

use anyhow::Result;

use super::table;
use crate::config::Config;

/// Checks the file; its mistakes are the error.
pub fn check(path: &Path, json: bool) -> Result<()> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(mistakes) => {
            if json {
                table::json(&mistakes)?;
            }
            return Err(mistakes.into());
        }
    };
    if json {
        return table::json(&[(); 0]);
    }
    let backends: usize = config
        .services
        .iter()
        .map(|service| service.backends.len())
        .sum();
    table::line(&format!(
        "{}: good: {} interfaces, {} services, {backends} backends",
        path.display(),
        config.interfaces.len(),
        config.services.len()
    ))?;
    Ok(())
}
