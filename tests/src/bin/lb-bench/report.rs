//! Figures as a table and as JSON.

use anyhow::Result;
use serde::Serialize;

/// What was measured for one case.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// The case.
    case: &'static str,
    /// Median nanoseconds per packet, the stand included.
    ns: f64,
    /// Median of the per-round differences to the empty program.
    net_ns: f64,
    /// Median of the per-round ratios to the empty program.
    ratio: f64,
    /// Least and greatest of the per-round differences.
    net_spread_ns: [f64; 2],
}

impl Figure {
    /// The figure of the case at `at`; each round holds one time per case, the empty program's first.
    pub fn of(case: &'static str, at: usize, rounds: &[Vec<f64>]) -> Self {
        let net: Vec<f64> = rounds.iter().map(|round| round[at] - round[0]).collect();
        let least = net.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = net.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            case,
            ns: median(rounds.iter().map(|round| round[at]).collect()),
            ratio: median(rounds.iter().map(|round| round[at] / round[0]).collect()),
            net_spread_ns: [least, greatest],
            net_ns: median(net),
        }
    }
}

/// Prints all figures.
pub fn print(figures: &[Figure], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(figures)?);
        return Ok(());
    }
    println!(
        "{:<40} {:>9} {:>9} {:>8}   net, all rounds",
        "case", "ns/packet", "net ns", "ratio"
    );
    for figure in figures {
        let [least, greatest] = figure.net_spread_ns;
        println!(
            "{:<40} {:>9.1} {:>9.1} {:>8.2}   {least:.1} to {greatest:.1}",
            figure.case, figure.ns, figure.net_ns, figure.ratio
        );
    }
    println!(
        "\nnet: over the empty program (XDP_TX, nothing touched), median of the rounds; both include the stand"
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
