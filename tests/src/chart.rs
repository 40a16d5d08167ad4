//! Line charts, as SVG whose text is text.

use anyhow::Result;
use plotters::prelude::*;

pub use plotters::chart::SeriesLabelPosition;

const SIZE: (u32, u32) = (800, 440);

/// Colours that are told apart by colour-blind people too (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
];

/// A line's name and points.
pub type Line = (&'static str, Vec<(f64, f64)>);

/// What a chart says beside its lines.
#[derive(Clone, Debug)]
pub struct Words {
    /// Above it.
    pub title: &'static str,
    /// Below its horizontal axis.
    pub x: &'static str,
    /// Beside its vertical axis.
    pub y: &'static str,
    /// Where its lines' names stand.
    pub names: SeriesLabelPosition,
}

/// Draws up to six lines. Both axes are logarithmic, and each is given as its least and its greatest value.
///
/// # Errors
/// Where the library cannot draw.
pub fn draw(words: Words, x: (f64, f64), y: (f64, f64), lines: &[Line]) -> Result<String> {
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
        let pens = COLOURS.into_iter().zip([5, 2, 2, 2, 2, 2]);
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
