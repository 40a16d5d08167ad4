//! What was measured once, as ratios, and whether today's are worse.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::figure::Figure;

/// Recorded ratios by case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Every case of lb's on one CPU.
    pub cases: BTreeMap<String, Recorded>,
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// D over the reference's D.
    pub ratio: f64,
    /// By so much it may be greater another time, without the packet path being slower.
    pub band: f64,
}

/// A case beside its recorded self.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The case.
    pub case: String,
    /// What was recorded.
    pub recorded: Recorded,
    /// The ratio now; none where the case was not measured.
    pub ratio: Option<f64>,
    /// Whether that is worse by more than the band, or nothing.
    pub is_worse: bool,
}

/// Two runs may differ by so much of a ratio though nothing has changed: programs and tables lie elsewhere in memory.
const BETWEEN_RUNS: f64 = 0.15;
/// The kernel tells times in whole nanoseconds: a D has an error of one.
const RESOLUTION_NS: f64 = 1.0;

impl Baseline {
    /// What these figures have to be compared with from now on.
    pub fn of(figures: &[Figure]) -> Self {
        let compared = figures.iter().filter(|figure| figure.is_compared);
        Self {
            cases: compared
                .map(|figure| (figure.case.to_owned(), Recorded::of(figure)))
                .collect(),
        }
    }

    /// Reads one; none where no file is.
    ///
    /// # Errors
    /// Where the file is no baseline.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let baseline = serde_json::from_str(&text)
            .with_context(|| format!("{} is no baseline", path.display()))?;
        Ok(Some(baseline))
    }

    /// Compares `figures` with it. With `whole`, a recorded case that was not measured is worse.
    pub fn compare(&self, figures: &[Figure], whole: bool) -> Vec<Compared> {
        let one = |(case, recorded): (&String, &Recorded)| {
            let figure = figures.iter().find(|figure| figure.case == case);
            let ratio = figure.map(|figure| figure.ratio);
            Compared {
                case: case.clone(),
                recorded: *recorded,
                ratio,
                is_worse: match ratio {
                    // What is no number is worse.
                    Some(ratio) => ratio.is_nan() || ratio > recorded.ratio + recorded.band,
                    None => whole,
                },
            }
        };
        let compared = self.cases.iter().map(one);
        compared
            .filter(|compared| whole || compared.ratio.is_some())
            .collect()
    }
}

impl Recorded {
    /// The band holds what runs differ by, what rounds do, and the error of the clock.
    fn of(figure: &Figure) -> Self {
        let [low, high] = figure.ratio_quartiles;
        let resolution = figure.ratio * RESOLUTION_NS / figure.net_ns.max(RESOLUTION_NS);
        let band = (BETWEEN_RUNS * figure.ratio).max(high - low) + resolution;
        let rounded = |value: f64| (1000.0 * value).round() / 1000.0;
        Self {
            ratio: rounded(figure.ratio),
            band: rounded(band),
        }
    }
}

#[cfg(test)]
mod tests;
