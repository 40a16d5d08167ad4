//! A picture of the screen.

use std::time::Instant;

use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::*;

#[test]
fn everything_fits_on_a_small_screen() {
    let mut history = History::default();
    let start = Instant::now();
    history.push(start, status(0));
    history.push(start + Duration::from_secs(1), status(50));
    let answers = |server: &str, count| Tally {
        answers: [(server.to_owned(), count)].into(),
        latencies: vec![Duration::from_micros(400)],
        ..Tally::default()
    };
    let mut web = answers("web-1", 150);
    web.answers.insert("web-2".to_owned(), 50);
    web.failures.insert("connection refused".to_owned(), 2);
    let view = View {
        history: &history,
        client: [("web", web), ("db", answers("db-2", 40))],
        client_span: Duration::from_secs(2),
        totals: (1234, 2),
        selected: 1,
        commands: (1..=7).map(|number| format!("command {number}")).collect(),
        message: "lb weight web/web-2 30",
    };
    let mut terminal = Terminal::new(TestBackend::new(110, 24)).unwrap();
    terminal.draw(|frame| draw(frame, &view)).unwrap();
    let screen: Vec<String> = terminal
        .backend()
        .buffer()
        .content()
        .chunks(110)
        .map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>())
        .map(|line| line.trim_end().to_owned())
        .collect();
    insta::assert_snapshot!(screen.join("\n"), @r"
     lb demo  agent 42, native XDP on eth0, 28 of 65536 flows
     web: active backends serve, 14 flows, round-robin on 192.0.2.10:80/tcp ──────────────────────────────────────
    backend     weight     health  intent flows new/s pkts/s bytes/s  share client why
    web-1       100        up      ready  7     50    250    20.0 kB  77 %  75 %   active
    web-2       30 of 100  up      ready  7     50    250    20.0 kB  23 %  25 %   active, weight set to 30
     db: the backup serves, 14 flows, round-robin on 192.0.2.10:80/tcp ───────────────────────────────────────────
    backend     weight     health  intent flows new/s pkts/s bytes/s  share client why
    db-1        100        down    ready  7     50    250    20.0 kB  0 %   0 %    down: connection refused
    db-2 backup 100        up      ready  7     50    250    20.0 kB  100 % 100 %  backup, no active backend is us
     client 1234 connections, 2 failed ───────────────────────────────────────────────────────────────────────────
     web  101 connections/s  latency p50 0.4 p99 0.4 ms  web-1 75/s, web-2 25/s, connection refused 1/s
     db    20 connections/s  latency p50 0.4 p99 0.4 ms  db-2 20/s
     keys ────────────────────────────────────────────────────────────────────────────────────────────────────────
     1 2 select a node   s stop/start servers of node 1   + - weight of web-1
     d drain/ready web-1   a kill -9/start the agent   q quit
     lb weight web/web-2 30
     in another terminal ─────────────────────────────────────────────────────────────────────────────────────────
     command 1
     command 2
     command 3
     command 4
     command 5
     command 6
     command 7
");
}

fn status(new_flows: u64) -> Status {
    let backend = |name, weight, backup, health, share, why| {
        json!({
            "name": name, "address": "10.77.0.11", "weight": weight, "configured_weight": 100,
            "backup": backup, "health": health, "health_since": "2026-01-01T00:00:00Z",
            "intent": "ready", "share": share, "why": why, "flows": 7, "new_flows": new_flows,
            "forwarded": { "packets": new_flows * 5, "bytes": new_flows * 400 },
            "next_hop": null, "interface": null,
        })
    };
    let service = |name, serving, backends: [serde_json::Value; 2]| {
        json!({
            "name": name, "listen": ["192.0.2.10:80/tcp"], "scheduler": "round-robin",
            "forward": "dsr", "serving": serving, "flows": 14, "reasons": {}, "backends": backends,
        })
    };
    serde_json::from_value(json!({
        "version": "0.1.0", "pid": 42, "config": "lb.toml", "started": "2026-01-01T00:00:00Z",
        "interfaces": [{ "name": "eth0", "ifindex": 2, "mode": "native", "driver": "veth", "mtu": 1500, "lacks": [] }],
        "services": [
            service("web", "active", [
                backend("web-1", 100, false, "up", 0.77, "active"),
                backend("web-2", 30, false, "up", 0.23, "active, weight set to 30"),
            ]),
            service("db", "backup", [
                backend("db-1", 100, false, "down", 0.0, "down: connection refused"),
                backend("db-2", 100, true, "up", 1.0, "backup, no active backend is usable"),
            ]),
        ],
        "reasons": {}, "events": {}, "flow_table": { "capacity": 65536, "live": 28 },
    }))
    .unwrap()
}
