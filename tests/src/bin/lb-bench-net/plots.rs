//! The figures, as SVG whose text is text.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use plotters::prelude::*;

use crate::{
    clients::{Clients, Mode},
    figure::Figure,
    report::Report,
};

const WIDTH: u32 = 800;
/// Height of one bar with the space around it.
const STEP: u32 = 30;
/// Room for the title and the axis.
const REST: u32 = 110;

const OURS: RGBColor = RGBColor(0, 114, 178);
const OTHERS: RGBColor = RGBColor(128, 128, 128);

/// A bar's name and figure.
type Bar = (String, Figure);

/// Writes a figure of the live frames, and one of each kind of clients.
pub fn draw(directory: &Path, report: &Report) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let live: Vec<Bar> = report
        .live
        .iter()
        .map(|live| (live.case.to_owned(), scaled(live.packets_per_second, 1e6)))
        .collect();
    let chart = bars("Live frames over veth, one CPU", "million packets/s", &live)?;
    write(&directory.join("net-live.svg"), &chart)?;
    let of = |mode: Mode, figure: fn(&Clients) -> Figure| -> Vec<Bar> {
        let clients = report.clients.iter();
        clients
            .filter(|clients| clients.mode == mode)
            .map(|clients| (clients.forwarder.to_owned(), scaled(figure(clients), 1e3)))
            .collect()
    };
    for (file, title, unit, figures) in [
        (
            "net-keep-alive.svg",
            "Clients that keep their connections",
            "thousand requests/s",
            of(Mode::KeepAlive, |clients| clients.requests_per_second),
        ),
        (
            "net-paced.svg",
            "Clients that pause between requests: 99 of 100 answers come within",
            "milliseconds",
            of(Mode::Paced, |clients| clients.p99_us),
        ),
        (
            "net-new-connections.svg",
            "Clients that open a connection for each request",
            "thousand connections/s",
            of(Mode::NewConnections, |clients| clients.requests_per_second),
        ),
    ] {
        write(&directory.join(file), &bars(title, unit, &figures)?)?;
    }
    Ok(())
}

fn scaled(figure: Figure, unit: f64) -> Figure {
    Figure {
        median: figure.median / unit,
        least: figure.least / unit,
        greatest: figure.greatest / unit,
    }
}

fn write(path: &Path, chart: &str) -> Result<()> {
    fs::write(path, chart).with_context(|| format!("cannot write {}", path.display()))
}

/// A bar for each median, and a line from the least to the greatest.
fn bars(title: &str, unit: &str, bars: &[Bar]) -> Result<String> {
    let mut svg = String::new();
    {
        let rows = bars.len();
        let size = (WIDTH, STEP * rows as u32 + REST);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let most = bars.iter().map(|(_, figure)| figure.greatest);
        let most = 1.05 * most.fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(&root)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(44)
            .y_label_area_size(270)
            .build_cartesian_2d(0.0..most, (0..rows).into_segmented())?;
        // From the top down.
        let name = |row: &SegmentValue<usize>| match row {
            SegmentValue::CenterOf(row) => bars
                .get(rows - 1 - row)
                .map_or_else(String::new, |(name, _)| name.clone()),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc(unit)
            .y_labels(rows)
            .y_label_formatter(&name)
            .label_style(("sans-serif", 14))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (at, (name, figure)) in bars.iter().enumerate() {
            let row = rows - 1 - at;
            let colour = if name.starts_with("lb ") {
                OURS
            } else {
                OTHERS
            };
            let mut bar = Rectangle::new(
                [
                    (0.0, SegmentValue::Exact(row)),
                    (figure.median, SegmentValue::Exact(row + 1)),
                ],
                colour.filled(),
            );
            bar.set_margin(5, 5, 0, 0);
            chart.draw_series([bar])?;
            let middle = SegmentValue::CenterOf(row);
            let ends = [figure.least, figure.greatest].map(|end| (end, middle.clone()));
            chart.draw_series([PathElement::new(ends, BLACK.stroke_width(2))])?;
        }
        root.present()?;
    }
    Ok(svg)
}
