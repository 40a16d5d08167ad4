//! `lb flows`

use std::time::Duration;

use anyhow::Result;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::table;
use crate::{api::model::FlowStatus, client::Client};

/// Lists live flows.
pub async fn flows(client: &Client, service: Option<&str>, json: bool) -> Result<()> {
    let path = match service {
        Some(service) => format!(
            "/v1/flows?service={}",
            utf8_percent_encode(service, NON_ALPHANUMERIC)
        ),
        None => "/v1/flows".into(),
    };
    let flows: Vec<FlowStatus> = client.get(&path).await?;
    if json {
        return table::json(&flows);
    }
    let rows = flows.into_iter().map(row).collect();
    table::print(
        &[
            "SERVICE", "BACKEND", "PROTO", "CLIENT", "VIP", "AS", "TO", "STATE", "IDLE", "AGE",
        ],
        rows,
    )?;
    Ok(())
}

fn row(flow: FlowStatus) -> Vec<String> {
    let seconds = |ms: u64| humantime::format_duration(Duration::from_secs(ms / 1000)).to_string();
    vec![
        flow.service,
        flow.backend,
        flow.protocol,
        flow.client,
        flow.vip,
        flow.source.unwrap_or_else(|| "-".into()),
        flow.destination.unwrap_or_else(|| "-".into()),
        flow.state,
        seconds(flow.idle_ms),
        seconds(flow.age_ms),
    ]
}
