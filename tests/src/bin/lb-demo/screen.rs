//! What the terminal shows, drawn from data alone.

use std::time::Duration;

use lb_agent::{
    api::model::{BackendStatus, Intent, ServiceStatus, Status, Tier},
    health::Health,
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Paragraph, Row, Table},
};

use crate::{rates::History, traffic::Tally};

#[cfg(test)]
mod tests;

/// Everything there is to see at one moment.
pub struct View<'a> {
    /// The agent's answers; empty while there is none.
    pub history: &'a History,
    /// What the client found, by service, in the last [`View::client_span`].
    pub client: [(&'static str, Tally); 2],
    /// See [`View::client`].
    pub client_span: Duration,
    /// Connections that were begun and that failed, since the start.
    pub totals: (u64, u64),
    /// Number of the node that keys act on.
    pub selected: u8,
    /// What to type in another terminal.
    pub commands: Vec<String>,
    /// What the last key did.
    pub message: &'a str,
}

/// Draws `view`; 24 lines hold all of it.
pub fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
    let status = view.history.last();
    let [title, services, client, keys, commands] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(status.map_or(SERVICES_HEIGHT, services_height)),
        Constraint::Length(3),
        Constraint::Length(4),
        Constraint::Min(0),
    ])
    .areas(frame.area());
    frame.render_widget(headline(view, title.width), title);
    match status {
        Some(status) => draw_services(frame, view, status, services),
        None => frame.render_widget(no_agent(), services),
    }
    frame.render_widget(client_box(view), client);
    frame.render_widget(keys_box(view), keys);
    frame.render_widget(commands_box(view), commands);
}

/// Lines of the demo's own two services, so that nothing moves when the agent does not answer.
const SERVICES_HEIGHT: u16 = 8;
/// Columns from which on there is room to say why.
const WIDE: u16 = 110;

fn headline(view: &View<'_>, width: u16) -> Paragraph<'static> {
    let agent = match view.history.last() {
        None => Span::from("no agent answers").red().bold(),
        Some(status) => {
            let interfaces: Vec<_> = status
                .interfaces
                .iter()
                .map(|interface| format!("{} XDP on {}", interface.mode, interface.name))
                .collect();
            Span::from(format!(
                "agent {}, {}, {} of {} flows",
                status.pid,
                interfaces.join(", "),
                status.flow_table.live,
                status.flow_table.capacity
            ))
        }
    };
    let hint = if width < WIDE {
        format!("  ({WIDE} columns show why)")
    } else {
        String::new()
    };
    Paragraph::new(Line::from(vec![" lb demo  ".bold(), agent, hint.dim()]))
}

fn no_agent() -> Paragraph<'static> {
    let text = "
 The agent does not run, so nothing can be read or changed here.
 \
                What it left in the kernel goes on: see the client below.

 \
                a starts it again.";
    Paragraph::new(text).block(titled(" services ".bold()))
}

fn draw_services(
    frame: &mut Frame<'_>,
    view: &View<'_>,
    status: &Status,
    area: ratatui::layout::Rect,
) {
    let areas = Layout::vertical(
        status
            .services
            .iter()
            .map(|service| Constraint::Length(service_height(service))),
    )
    .split(area);
    for (service, area) in status.services.iter().zip(areas.iter()) {
        frame.render_widget(service_table(view, service), *area);
    }
}

fn services_height(status: &Status) -> u16 {
    status.services.iter().map(service_height).sum()
}

fn service_height(service: &ServiceStatus) -> u16 {
    // Its title, the heading, and a line for each.
    u16::try_from(service.backends.len() + 2).unwrap_or(u16::MAX)
}

fn service_table(view: &View<'_>, service: &ServiceStatus) -> Table<'static> {
    let heading = [
        "backend", "weight", "health", "intent", "flows", "new/s", "pkts/s", "bytes/s", "share",
        "client", "why",
    ];
    let widths = [11, 10, 7, 6, 5, 5, 6, 8, 5, 6]
        .map(Constraint::Length)
        .into_iter()
        .chain([Constraint::Fill(1)]);
    let rows = service
        .backends
        .iter()
        .map(|backend| backend_row(view, service, backend));
    let serving = match service.serving {
        Tier::Active => "active backends serve".green(),
        Tier::Backup => "the backup serves".yellow(),
        Tier::None => "nobody serves".red(),
    };
    let title = Line::from(vec![
        format!(" {}: ", service.name).bold(),
        serving,
        format!(", {} flows, {} ", service.flows, service.scheduler).into(),
        format!("on {} ", service.listen.join(" ")).into(),
    ]);
    Table::new(rows, widths)
        .header(Row::new(heading).dim())
        .block(titled(title))
}

fn backend_row(view: &View<'_>, service: &ServiceStatus, backend: &BackendStatus) -> Row<'static> {
    let rates = view
        .history
        .rates(&format!("{}/{}", service.name, backend.name));
    let client = view
        .client
        .iter()
        .find(|(name, _)| *name == service.name)
        .map_or(0.0, |(_, tally)| tally.share(&backend.name));
    let health = match backend.health {
        Health::Up => Cell::from("up").green(),
        Health::Down => Cell::from("down").red().bold(),
        Health::Unknown => Cell::from("unknown").yellow(),
    };
    let intent = match backend.intent {
        Intent::Ready => Cell::from("ready"),
        Intent::Drain => Cell::from("drain").yellow(),
        Intent::Maint => Cell::from("maint").yellow(),
    };
    let selected = backend.name.ends_with(&format!("-{}", view.selected));
    Row::new([
        Cell::from(name(backend)).style(if selected {
            Style::new().fg(Color::Cyan).bold()
        } else {
            Style::new()
        }),
        Cell::from(weight(backend)),
        health,
        intent,
        Cell::from(backend.flows.to_string()),
        Cell::from(format!("{:.0}", rates.new_flows)),
        Cell::from(format!("{:.0}", rates.packets)),
        Cell::from(bytes(rates.bytes)),
        Cell::from(percent(backend.share)),
        Cell::from(percent(client)),
        Cell::from(backend.why.clone()),
    ])
}

fn client_box(view: &View<'_>) -> Paragraph<'static> {
    let (begun, failed) = view.totals;
    let lines: Vec<_> = view
        .client
        .iter()
        .map(|(service, tally)| client_line(service, tally, view.client_span))
        .collect();
    let failures = format!("{failed} failed ");
    let title = Line::from(vec![
        " client ".bold(),
        format!("{begun} connections, ").into(),
        if failed == 0 {
            failures.into()
        } else {
            failures.red()
        },
    ]);
    Paragraph::new(lines).block(titled(title))
}

fn client_line(service: &str, tally: &Tally, span: Duration) -> Line<'static> {
    let per_second = |count: u64| count as f64 / span.as_secs_f64();
    let ended = tally.answered() + tally.failed();
    let latency = |fraction| {
        tally.latency(fraction).map_or_else(
            || "-".to_owned(),
            |time| format!("{:.1}", time.as_secs_f64() * 1e3),
        )
    };
    let answers: Vec<_> = tally
        .answers
        .iter()
        .map(|(server, count)| format!("{server} {:.0}/s", per_second(*count)))
        .collect();
    let mut spans = vec![
        format!(
            " {service:<4}{:>4.0} connections/s  latency p50 {} p99 {} ms  ",
            per_second(ended),
            latency(0.5),
            latency(0.99)
        )
        .into(),
        Span::from(answers.join(", ")),
    ];
    for (why, count) in &tally.failures {
        spans.push(format!(", {why} {:.0}/s", per_second(*count)).red());
    }
    Line::from(spans)
}

fn keys_box(view: &View<'_>) -> Paragraph<'static> {
    let node = view.selected;
    let of_node = format!(
        " 1 2 select a node   s stop/start servers of node {node}   + - weight of web-{node}"
    );
    let others = format!(" d drain/ready web-{node}   a kill -9/start the agent   q quit");
    Paragraph::new(vec![
        Line::from(of_node),
        Line::from(others),
        Line::from(format!(" {}", view.message.replace('\n', " "))).cyan(),
    ])
    .block(titled(" keys ".bold()))
}

fn commands_box(view: &View<'_>) -> Paragraph<'static> {
    let lines: Vec<_> = view
        .commands
        .iter()
        .map(|command| Line::from(format!(" {command}")))
        .collect();
    Paragraph::new(lines).block(titled(" in another terminal ".bold()))
}

fn titled<'a>(title: impl Into<Line<'a>>) -> Block<'a> {
    Block::new().borders(Borders::TOP).title(title)
}

fn name(backend: &BackendStatus) -> String {
    let backup = if backend.backup { " backup" } else { "" };
    format!("{}{backup}", backend.name)
}

fn weight(backend: &BackendStatus) -> String {
    if backend.weight == backend.configured_weight {
        backend.weight.to_string()
    } else {
        format!("{} of {}", backend.weight, backend.configured_weight)
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn bytes(count: f64) -> String {
    match count {
        ..1e3 => format!("{count:.0} B"),
        1e3..1e6 => format!("{:.1} kB", count / 1e3),
        _ => format!("{:.1} MB", count / 1e6),
    }
}
