//! `lb explain`

use anyhow::Result;

use super::table;
use crate::{
    api::model::{Decision, Explanation},
    client::Client,
};

/// Asks where a packet would go.
pub async fn explain(client: &Client, source: &str, destination: &str, json: bool) -> Result<()> {
    let (destination, protocol) = match destination.rsplit_once('/') {
        Some((destination, protocol)) => (destination, protocol),
        None => (destination, "tcp"),
    };
    let path = format!("/v1/explain?src={source}&dst={destination}&protocol={protocol}");
    let explanation: Explanation = client.get(&path).await?;
    if json {
        return table::json(&explanation);
    }
    if explanation.first == explanation.later {
        tell("any packet", &explanation.first)?;
    } else {
        tell("a first packet (SYN)", &explanation.first)?;
        tell("a later packet (ACK)", &explanation.later)?;
    }
    Ok(())
}

fn tell(which: &str, decision: &Decision) -> std::io::Result<()> {
    let mut line = format!("{which}: {}", decision.action);
    if let Some(backend) = &decision.backend {
        let service = decision.service.as_deref().unwrap_or("?");
        line.push_str(&format!(" to {service}/{backend}"));
    }
    if let (Some(hop), Some(interface)) = (&decision.next_hop, &decision.interface) {
        line.push_str(&format!(" ({hop} on {interface})"));
    }
    table::line(&format!("{line}\n  {}: {}", decision.reason, decision.help))
}
