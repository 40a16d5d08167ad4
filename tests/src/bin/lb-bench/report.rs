//! What was measured, as a table and as JSON.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{
    baseline::Compared,
    figure::Figure,
    machine::Machine,
    programs::{MOST_BYTES, MOST_VERIFIED, Size},
    target::Judged,
};

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Rounds.
    pub rounds: u32,
    /// Packets per case and round.
    pub packets: u32,
    /// One per case.
    pub figures: Vec<Figure>,
    /// One per program of lb.
    pub programs: Vec<Size>,
    /// What differs from an earlier run; empty without a baseline.
    pub compared: Vec<Compared>,
}

/// Quartiles of the empty program's time that lie further apart than this share of it: something else was running.
const CALM: f64 = 0.1;

impl Report {
    /// The cases that are worse than they were.
    pub fn worse(&self) -> impl Iterator<Item = &Compared> {
        self.compared.iter().filter(|compared| compared.is_worse)
    }

    /// Writes it as JSON, to standard output for `-`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_json(&self, to: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        if to == Path::new("-") {
            println!("{text}");
            return Ok(());
        }
        fs::write(to, text + "\n").with_context(|| format!("cannot write {}", to.display()))
    }

    /// Prints it for people.
    pub fn print(&self) {
        self.print_figures();
        self.print_programs();
        self.print_compared();
    }

    fn print_figures(&self) {
        println!(
            "{:<42} {:>7} {:>6} {:>12} {:>6} {:>6}  target",
            "case", "ns", "D", "quartiles", "REF", "ratio"
        );
        for figure in &self.figures {
            let [low, high] = figure.net_quartiles_ns;
            let reference = figure
                .reference_ns
                .map_or_else(String::new, |ns| format!("{ns:.0}"));
            let targets: Vec<String> = figure.targets.iter().map(told).collect();
            println!(
                "{:<42} {:>7.1} {:>6.1} {:>12} {reference:>6} {:>6.2}  {}",
                figure.case,
                figure.ns,
                figure.net_ns,
                format!("{low:.0} to {high:.0}"),
                figure.ratio,
                targets.join("; ")
            );
        }
        println!(
            "\nns: per packet, the stand included. D: over the empty program in the same round (XDP_TX, nothing touched). REF: the \
             classic design's D.\nratio: D / REF of the same case, or of \"direct return\" where the reference does not do the \
             same. Medians of {} rounds of {} packets.",
            self.rounds, self.packets
        );
        if let Some(empty) = self.figures.first()
            && empty.ns_quartiles[1] - empty.ns_quartiles[0] > CALM * empty.ns
        {
            println!(
                "WARNING: THE MACHINE WAS NOT CALM: the empty program took {:.0} to {:.0} ns in the middle half of the rounds",
                empty.ns_quartiles[0], empty.ns_quartiles[1]
            );
        }
    }

    fn print_programs(&self) {
        println!(
            "\n{:<16} {:>9} {:>13}",
            "program", "verified", "machine code"
        );
        for size in &self.programs {
            println!(
                "{:<16} {:>9} {:>11} B  {}",
                size.program,
                size.verified
                    .map_or_else(|| "?".into(), |verified| verified.to_string()),
                size.machine_code_bytes,
                verdict(size.met)
            );
        }
        println!("\nat most {MOST_VERIFIED} instructions verified, {MOST_BYTES} B of machine code");
    }

    fn print_compared(&self) {
        if self.compared.is_empty() {
            println!("\nno baseline to compare with");
            return;
        }
        let worse: Vec<&Compared> = self.worse().collect();
        println!(
            "\n{} of {} ratios are within their band of the baseline",
            self.compared.len() - worse.len(),
            self.compared.len()
        );
        for compared in worse {
            println!("{}", compared.told());
        }
    }
}

impl Compared {
    /// As in `WORSE: ipip: ratio 0.61, recorded 0.48 and 0.07 at most above that`.
    pub fn told(&self) -> String {
        let now = self.ratio.map_or_else(
            || "not measured".into(),
            |ratio| format!("ratio {ratio:.2}"),
        );
        format!(
            "WORSE: {}: {now}, recorded {:.2} and {:.2} at most above that",
            self.case, self.recorded.ratio, self.recorded.band
        )
    }
}

/// As in `met: 0.21 of the reference, at most 0.25`.
pub fn told(judged: &Judged) -> String {
    format!(
        "{}: {:.2} {} {}",
        verdict(judged.met),
        judged.measured,
        judged.what,
        judged.bound
    )
}

const fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
