//! The flow table, for people.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lb_common::{Backend, Flow, TCP, address, note};

use super::{Reader, model::FlowStatus};
use crate::{
    dataplane::Dataplane as _,
    observed::{Observed, flows as table, is_live, observe},
};

/// Live flows, of one service if one is named; `None` where there is no such service.
///
/// # Errors
/// Where a map cannot be read.
pub fn flows(reader: &Reader, service: Option<&str>) -> Result<Option<Vec<FlowStatus>>> {
    let dataplane = &*reader.dataplane;
    let observed = observe(dataplane);
    let names: BTreeMap<u32, &str> = observed
        .services
        .iter()
        .map(|(number, s)| (*number, note::text(&s.note.name)))
        .collect();
    if service.is_some_and(|wanted| !names.values().any(|name| *name == wanted)) {
        return Ok(None);
    }
    let now = dataplane.now()?;
    let hz = u64::from(observed.control.hz.max(1));
    let mut flows = Vec::new();
    for (tag, flow) in table(dataplane) {
        let Some(held) = observed.services.get(&u32::from(flow.service)) else {
            continue;
        };
        let name = names
            .get(&u32::from(flow.service))
            .copied()
            .unwrap_or_default();
        let wanted = service.is_none_or(|wanted| wanted == name);
        let current = observed
            .backends
            .get(&tag.backend())
            .filter(|(b, _)| b.incarnation == tag.incarnation() && b.is(Backend::SERVES));
        let Some((record, backend)) = current else {
            continue;
        };
        if flow.kind != Flow::FORWARD {
            continue;
        }
        if !wanted || !is_live(&flow, &held.record, now) {
            continue;
        }
        let ticks = |since: u32| u64::from(now.wrapping_sub(since)) * 1000 / hz;
        flows.push(FlowStatus {
            service: name.into(),
            backend: note::text(&backend.name).into(),
            protocol: if flow.key.protocol == u32::from(TCP) {
                "tcp"
            } else {
                "udp"
            }
            .into(),
            client: end(flow.key.client, flow.key.client_port()),
            vip: end(flow.key.vip, flow.key.vip_port()),
            source: translated(&observed, &flow, record),
            destination: destination(&flow, record),
            state: state(&flow).context("a flow has an unknown state")?.into(),
            idle_ms: ticks(flow.seen),
            age_ms: ticks(flow.born),
        });
    }
    flows.sort_by(|a, b| (&a.service, &a.client, &a.vip).cmp(&(&b.service, &b.client, &b.vip)));
    Ok(Some(flows))
}

fn end(ip: lb_common::Address, port: u16) -> String {
    std::net::SocketAddr::new(address::to_ip(ip), port).to_string()
}

/// The source that the backend sees, if it is not the client.
fn translated(observed: &Observed, flow: &Flow, backend: &Backend) -> Option<String> {
    if !backend.is_translated() {
        return None;
    }
    let source = observed.sources.get(&flow.source);
    let source = source.copied().unwrap_or(flow.key.client);
    Some(end(source, u16::from_be(flow.port)))
}

/// The destination that the backend sees, if it is not the VIP.
fn destination(flow: &Flow, backend: &Backend) -> Option<String> {
    let port = match backend.port {
        0 => flow.key.vip_port(),
        port => u16::from_be(port),
    };
    backend.is_translated().then(|| end(backend.address, port))
}

fn state(flow: &Flow) -> Option<&'static str> {
    match flow.state {
        Flow::OPENING => Some("opening"),
        Flow::OPEN => Some("open"),
        Flow::CLOSED => Some("closed"),
        Flow::CLIENT_CLOSED => Some("client-closed"),
        Flow::BACKEND_CLOSED => Some("backend-closed"),
        _ => None,
    }
}
