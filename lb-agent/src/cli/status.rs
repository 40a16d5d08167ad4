//! `lb status`

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::{Result, bail};
use clap::Args;
use tokio::time::sleep;

use super::table;
use crate::{
    api::model::{BackendStatus, ServiceStatus, Status as Answer},
    client::Client,
};

/// What is shown.
#[derive(Debug, Args)]
pub struct Status {
    /// Only this service.
    service: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show it again every second, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// Clears a terminal and puts the cursor at its top left (ECMA-48).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows the present state.
pub async fn status(client: &Client, wanted: &Status) -> Result<()> {
    loop {
        let mut answer: Answer = client.get("/v1/status").await?;
        choose(&mut answer, wanted.service.as_deref())?;
        if wanted.json {
            return table::json(&answer);
        }
        if wanted.watch && io::stdout().is_terminal() {
            write!(io::stdout(), "{CLEAR}")?;
        }
        table::line(&text(&answer))?;
        if !wanted.watch {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn choose(answer: &mut Answer, service: Option<&str>) -> Result<()> {
    let Some(wanted) = service else { return Ok(()) };
    let names: Vec<String> = answer
        .services
        .iter()
        .map(|service| service.name.clone())
        .collect();
    answer.services.retain(|service| service.name == wanted);
    if answer.services.is_empty() {
        bail!("no service `{wanted}`; there are {}", names.join(", "));
    }
    Ok(())
}

fn text(answer: &Answer) -> String {
    let on: Vec<String> = answer
        .interfaces
        .iter()
        .map(|interface| format!("{} ({})", interface.name, interface.mode))
        .collect();
    let mut text = format!(
        "lb {}, pid {}, since {}, on {}; {} of {} flows\n",
        answer.version,
        answer.pid,
        answer.started,
        on.join(", "),
        answer.flow_table.live,
        answer.flow_table.capacity
    );
    for interface in &answer.interfaces {
        for lack in &interface.lacks {
            let (name, driver) = (&interface.name, &interface.driver);
            text.push_str(&format!("{name} (driver {driver}): {lack}\n"));
        }
    }
    for service in &answer.services {
        text.push_str(&format!("\n{}\n", heading(service)));
        let header = [
            "  BACKEND",
            "ADDRESS",
            "WEIGHT",
            "HEALTH",
            "INTENT",
            "SHARE",
            "FLOWS",
            "PACKETS",
            "WHY",
        ];
        text.push_str(&table::text(
            &header,
            service.backends.iter().map(row).collect(),
        ));
        text.push('\n');
    }
    let rare: Vec<String> = answer
        .events
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(event, count)| format!("{event} {count}"))
        .collect();
    if !rare.is_empty() {
        text.push_str(&format!("\nevents: {}\n", rare.join(", ")));
    }
    text.trim_end().to_owned()
}

fn heading(service: &ServiceStatus) -> String {
    format!(
        "{}  {}  {}, {}  serving: {}  flows: {}",
        service.name,
        service.listen.join(" "),
        service.scheduler,
        service.forward,
        service.serving,
        service.flows
    )
}

fn row(backend: &BackendStatus) -> Vec<String> {
    let weight = if backend.weight == backend.configured_weight {
        backend.weight.to_string()
    } else {
        format!("{} (file {})", backend.weight, backend.configured_weight)
    };
    vec![
        format!("  {}", backend.name),
        backend.address.clone(),
        weight,
        backend.health.to_string(),
        backend.intent.to_string(),
        format!("{:.1} %", backend.share * 100.0),
        backend.flows.to_string(),
        backend.forwarded.packets.to_string(),
        backend.why.clone(),
    ]
}
