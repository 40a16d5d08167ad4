//! Every metric's name, help and unit, as Prometheus text (OpenMetrics 1.0).

use std::fmt;

use anyhow::Result;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::model::Status;
use crate::health::Health;

/// Names of all metrics, without the prefix `lb_`.
pub const NAMES: [&str; 14] = [
    "packets_total",
    "bytes_total",
    "backend_packets_total",
    "backend_bytes_total",
    "backend_new_flows_total",
    "backend_flows",
    "backend_weight",
    "backend_share",
    "backend_up",
    "events_total",
    "flow_table_flows",
    "flow_table_capacity",
    "build_info",
    "agent_start_time_seconds",
];

/// The metrics of one moment.
///
/// # Errors
/// Never in practice: text is written to memory.
pub fn text(status: Status) -> Result<String> {
    let mut registry = Registry::with_prefix("lb");
    registry.register_collector(Box::new(Moment(status)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Moment(Status);

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.by_reason(&mut encoder)?;
        self.by_backend(&mut encoder)?;
        let status = &self.0;
        let mut events = counter(&mut encoder, "events", "Rare events on the packet path")?;
        for (event, count) in &status.events {
            add_count(&mut events, &vec![("event", event.as_str())], *count)?;
        }
        let mut flows = gauge(
            &mut encoder,
            "flow_table_flows",
            "Live flows in the flow table",
        )?;
        add_gauge(&mut flows, &vec![], status.flow_table.live as f64)?;
        let mut capacity = gauge(
            &mut encoder,
            "flow_table_capacity",
            "Flows the flow table can hold",
        )?;
        add_gauge(&mut capacity, &vec![], status.flow_table.capacity as f64)?;
        let started: jiff::Timestamp = status.started.parse().map_err(|_| fmt::Error)?;
        let mut start = gauge(
            &mut encoder,
            "agent_start_time_seconds",
            "When the agent started, Unix time",
        )?;
        add_gauge(&mut start, &vec![], started.as_second() as f64)?;
        let mut build = gauge(
            &mut encoder,
            "build_info",
            "1, labelled with the agent's version",
        )?;
        add_gauge(&mut build, &vec![("version", status.version.as_str())], 1.0)
    }
}

impl Moment {
    fn by_reason(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut packets = counter(
            encoder,
            "packets",
            "Packets by service and reason; an empty service is none",
        )?;
        self.each_reason(|labels, count| add_count(&mut packets, labels, count.packets))?;
        let mut bytes = counter(
            encoder,
            "bytes",
            "Bytes of frames by service and reason; an empty service is none",
        )?;
        self.each_reason(|labels, count| add_count(&mut bytes, labels, count.bytes))
    }

    fn each_reason(
        &self,
        mut add: impl FnMut(&Labels<'_>, super::model::Count) -> Result<(), fmt::Error>,
    ) -> Result<(), fmt::Error> {
        let status = &self.0;
        for (reason, total) in &status.reasons {
            let mut rest = *total;
            for service in &status.services {
                if let Some(count) = service.reasons.get(reason) {
                    rest.packets = rest.packets.saturating_sub(count.packets);
                    rest.bytes = rest.bytes.saturating_sub(count.bytes);
                    add(
                        &vec![("service", service.name.as_str()), ("reason", reason)],
                        *count,
                    )?;
                }
            }
            if rest.packets > 0 {
                add(&vec![("service", ""), ("reason", reason)], rest)?;
            }
        }
        Ok(())
    }

    fn by_backend(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = &self.0;
        let backends = || {
            status.services.iter().flat_map(|service| {
                service.backends.iter().map(|backend| {
                    (
                        vec![
                            ("service", service.name.as_str()),
                            ("backend", backend.name.as_str()),
                        ],
                        backend,
                    )
                })
            })
        };
        let mut packets = counter(encoder, "backend_packets", "Packets forwarded to a backend")?;
        for (labels, backend) in backends() {
            add_count(&mut packets, &labels, backend.forwarded.packets)?;
        }
        let mut bytes = counter(
            encoder,
            "backend_bytes",
            "Bytes of frames forwarded to a backend",
        )?;
        for (labels, backend) in backends() {
            add_count(&mut bytes, &labels, backend.forwarded.bytes)?;
        }
        let mut new_flows = counter(encoder, "backend_new_flows", "Flows given to a backend")?;
        for (labels, backend) in backends() {
            add_count(&mut new_flows, &labels, backend.new_flows)?;
        }
        let mut flows = gauge(encoder, "backend_flows", "Live flows of a backend")?;
        for (labels, backend) in backends() {
            add_gauge(&mut flows, &labels, backend.flows as f64)?;
        }
        let mut weight = gauge(encoder, "backend_weight", "Weight in force")?;
        for (labels, backend) in backends() {
            add_gauge(&mut weight, &labels, f64::from(backend.weight))?;
        }
        let mut share = gauge(encoder, "backend_share", "Share of new flows, 0 to 1")?;
        for (labels, backend) in backends() {
            add_gauge(&mut share, &labels, backend.share)?;
        }
        let mut up = gauge(
            encoder,
            "backend_up",
            "1 if the probes say up, 0 if down, absent if unknown",
        )?;
        for (labels, backend) in backends().filter(|(_, backend)| backend.health != Health::Unknown)
        {
            add_gauge(
                &mut up,
                &labels,
                f64::from(u8::from(backend.health == Health::Up)),
            )?;
        }
        Ok(())
    }
}

fn counter<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &'a str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

fn gauge<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &'a str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn add_count(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    value: u64,
) -> Result<(), fmt::Error> {
    ConstCounter::new(value).encode(encoder.encode_family(labels)?)
}

fn add_gauge(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    value: f64,
) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(encoder.encode_family(labels)?)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::api::model::{BackendStatus, Count, FlowTableStatus, Intent, ServiceStatus, Tier};

    fn status() -> Status {
        let count = Count {
            packets: 3,
            bytes: 180,
        };
        let reasons = BTreeMap::from([("flow_hit".to_owned(), count)]);
        let backend = BackendStatus {
            name: "web-1".into(),
            address: "10.0.1.11".into(),
            weight: 50,
            configured_weight: 100,
            backup: false,
            health: Health::Up,
            health_since: "2026-01-01T00:00:00Z".into(),
            intent: Intent::Ready,
            share: 1.0,
            why: "serves".into(),
            flows: 2,
            new_flows: 4,
            forwarded: count,
            next_hop: None,
            interface: None,
        };
        let service = ServiceStatus {
            name: "web".into(),
            listen: vec!["192.0.2.10:80/tcp".into()],
            scheduler: "round-robin".into(),
            forward: "dsr".into(),
            serving: Tier::Active,
            flows: 2,
            reasons: reasons.clone(),
            backends: vec![backend],
        };
        let total = Count {
            packets: 5,
            bytes: 300,
        };
        Status {
            version: "0.0.0".into(),
            pid: 1,
            config: "lb.toml".into(),
            started: "2026-01-01T00:00:00Z".into(),
            interfaces: Vec::new(),
            services: vec![service],
            reasons: BTreeMap::from([("flow_hit".to_owned(), total)]),
            events: BTreeMap::from([("flow_evicted".to_owned(), 1)]),
            flow_table: FlowTableStatus {
                capacity: 64,
                live: 2,
            },
        }
    }

    #[test]
    fn the_names_are_those_that_are_told() {
        let text = text(status()).unwrap();
        let told: BTreeSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next()?.strip_prefix("lb_"))
            .collect();
        assert_eq!(told, BTreeSet::from(NAMES));
    }

    #[test]
    fn what_belongs_to_no_service_is_told_apart() {
        let text = text(status()).unwrap();
        for line in [
            "lb_packets_total{service=\"web\",reason=\"flow_hit\"} 3",
            "lb_packets_total{service=\"\",reason=\"flow_hit\"} 2",
            "lb_backend_weight{service=\"web\",backend=\"web-1\"} 50.0",
            "lb_backend_up{service=\"web\",backend=\"web-1\"} 1.0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
