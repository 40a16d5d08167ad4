//! The figures, as SVG whose text is text.

use anyhow::Result;
use plotters::prelude::*;

use crate::{choose::SCHEDULERS, disruption::Failure, evenness};

const SIZE: (u32, u32) = (800, 440);

/// Colours that are told apart by colour-blind people too (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
];

/// Flows per backend of the first figure's points.
const FLOWS: [u64; 10] = [1, 3, 10, 30, 100, 300, 1000, 2000, 3000, 5000];

/// Failures of the second figure's points, of 1,000 backends in 65,537 slots.
const FAILED: [usize; 10] = [1, 2, 3, 5, 10, 20, 30, 50, 70, 100];

/// A line's name and points.
type Line = (&'static str, Vec<(f64, f64)>);

/// What a figure says beside its lines.
struct Words {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    names: SeriesLabelPosition,
}

/// The fullest of 100 backends, by flows per backend.
pub fn evenness() -> Result<String> {
    let lines = SCHEDULERS.iter().map(|scheduler| {
        let spreads = evenness::of_flows(scheduler, &[1; 100], &FLOWS);
        let points = FLOWS.iter().zip(spreads);
        (
            scheduler.0,
            points
                .map(|(flows, spread)| (*flows as f64, spread.most))
                .collect(),
        )
    });
    let words = Words {
        title: "The fullest of 100 backends of equal weight",
        x: "new flows per backend",
        y: "its flows / its exact share",
        names: SeriesLabelPosition::UpperRight,
    };
    draw(words, (1.0, 5000.0), (1.0, 6.0), &lines.collect::<Vec<_>>())
}

/// The flows that move when some of 1,000 backends fail.
pub fn disruption() -> Result<String> {
    let failures: Vec<_> = FAILED
        .iter()
        .map(|failed| (*failed as f64, Failure::new(1000, *failed, 65_537)))
        .collect();
    let line = |of: fn(&Failure) -> f64| {
        failures
            .iter()
            .map(|(failed, failure)| (*failed, 100.0 * of(failure)))
            .collect()
    };
    let lines: [Line; 3] = [
        ("hash modulo backends", line(|failure| failure.modulo)),
        ("Maglev without repair", line(|failure| failure.plain)),
        (
            "maglev, source-hash: those that must",
            line(|failure| failure.repaired),
        ),
    ];
    let words = Words {
        title: "Flows that are not remembered and move when some of 1,000 backends fail",
        x: "backends that fail",
        y: "per cent of all flows",
        names: SeriesLabelPosition::LowerRight,
    };
    draw(words, (1.0, 100.0), (0.05, 200.0), &lines)
}

/// Both axes are logarithmic.
fn draw(words: Words, x: (f64, f64), y: (f64, f64), lines: &[Line]) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(words.title, ("sans-serif", 20))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
        chart
            .configure_mesh()
            .x_desc(words.x)
            .y_desc(words.y)
            .x_label_formatter(&tick)
            .y_label_formatter(&tick)
            .label_style(("sans-serif", 14))
            .light_line_style(TRANSPARENT)
            .draw()?;
        // The first is broad, so that it is seen below one that covers it.
        let pens = COLOURS.into_iter().zip([5, 2, 2, 2, 2]);
        for ((name, points), (colour, width)) in lines.iter().zip(pens) {
            chart
                .draw_series(
                    LineSeries::new(points.iter().copied(), colour.stroke_width(width))
                        .point_size(3),
                )?
                .label(*name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width))
                });
        }
        chart
            .configure_series_labels()
            .position(words.names)
            .background_style(WHITE)
            .border_style(BLACK)
            .label_font(("sans-serif", 14))
            .draw()?;
        root.present()?;
    }
    Ok(svg)
}

/// A number at an axis, which has three decimals at most.
fn tick(value: &f64) -> String {
    ((1000.0 * value).round() / 1000.0).to_string()
}
