//! Figures as a table and as JSON.

use anyhow::Result;

use super::{figure::Figure, target::Judged};

/// Prints all figures.
pub fn print(figures: &[Figure], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(figures)?);
        return Ok(());
    }
    println!(
        "{:<42} {:>9} {:>8} {:>15} {:>8} {:>6}  target",
        "case", "ns/packet", "D", "quartiles", "D of REF", "ratio"
    );
    for figure in figures {
        let [low, high] = figure.net_quartiles_ns;
        let reference = figure
            .reference_ns
            .map_or_else(String::new, |ns| format!("{ns:.0}"));
        let targets: Vec<String> = figure.targets.iter().map(told).collect();
        println!(
            "{:<42} {:>9.0} {:>8.0} {:>15} {reference:>8} {:>6.2}  {}",
            figure.case,
            figure.ns,
            figure.net_ns,
            format!("{low:.0} to {high:.0}"),
            figure.ratio,
            targets.join("; ")
        );
    }
    Ok(())
}

/// As in `met: 0.21 of the reference, at most 0.25`.
fn told(judged: &Judged) -> String {
    let verdict = if judged.met { "met" } else { "MISSED" };
    format!(
        "{verdict}: {:.2} {} {}",
        judged.measured, judged.what, judged.bound
    )
}
