//! From the rounds' times to the figures.

use serde::Serialize;

use super::{
    bench::Measured,
    cases::{Case, Program, YARDSTICK},
    target::{Judged, Target},
};

/// What was measured for one case. D is the time per packet over the empty program's of the same round.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The case.
    pub case: &'static str,
    /// Median nanoseconds per packet, the stand included.
    pub ns: f64,
    /// First and third quartile of that.
    pub ns_quartiles: [f64; 2],
    /// Median of D in nanoseconds.
    pub net_ns: f64,
    /// First and third quartile of D.
    pub net_quartiles_ns: [f64; 2],
    /// Median of the reference's D, where the case is compared with it.
    pub reference_ns: Option<f64>,
    /// What the case is compared with: the reference on the same work, else on the yardstick's.
    pub compared_with: &'static str,
    /// Median of D over the D of what it is compared with, both of the same round.
    pub ratio: f64,
    /// First and third quartile of that.
    pub ratio_quartiles: [f64; 2],
    /// Open flows that were lost.
    pub lost: Option<u32>,
    /// The targets.
    pub targets: Vec<Judged>,
    /// Whether the ratio tells how fast lb is, and may be compared with that of another run.
    #[serde(skip)]
    pub is_compared: bool,
}

/// The rounds of all cases: one row per round, in it one entry per case.
pub struct Rounds<'a> {
    /// The cases; the first two are the empty program on one CPU and on two.
    pub cases: &'a [Case],
    /// The rows.
    pub rows: &'a [Vec<Measured>],
}

impl Rounds<'_> {
    /// The figures of all cases.
    pub fn figures(&self) -> Vec<Figure> {
        (0..self.cases.len()).map(|at| self.figure(at)).collect()
    }

    fn figure(&self, at: usize) -> Figure {
        let case = &self.cases[at];
        let compared_with = case.reference.unwrap_or(YARDSTICK);
        let net = self.net(at);
        let reference = self.reference(compared_with);
        let ratios = divided(&net, &reference);
        let lost = self.rows.iter().filter_map(|row| row[at].lost).max();
        let judged = |target: &Target| {
            target.judge(match target {
                Target::OfReference(_) => median(&ratios),
                Target::Of(other, _) => median(&divided(&net, &self.named(other, Self::net))),
                Target::Ns(_) => median(&net),
                Target::Packets(other, _) => {
                    median(&divided(&self.named(other, Self::ns), &self.ns(at)))
                }
                Target::NoneLost => lost.map_or(f64::NAN, f64::from),
            })
        };
        Figure {
            case: case.name,
            ns: median(&self.ns(at)),
            ns_quartiles: quartiles(&self.ns(at)),
            net_ns: median(&net),
            net_quartiles_ns: quartiles(&net),
            reference_ns: case.reference.map(|_| median(&reference)),
            compared_with,
            ratio: median(&ratios),
            ratio_quartiles: quartiles(&ratios),
            lost,
            targets: case.targets.iter().map(judged).collect(),
            is_compared: case.program == Program::Lb && case.cpus == 1,
        }
    }

    fn ns(&self, at: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row[at].ns).collect()
    }

    fn net(&self, at: usize) -> Vec<f64> {
        let empty = usize::from(self.cases[at].cpus > 1);
        let rows = self.rows.iter();
        rows.map(|row| row[at].ns - row[empty].ns).collect()
    }

    /// D of the reference on the work of the case with this name.
    fn reference(&self, name: &str) -> Vec<f64> {
        self.named(name, |rounds, at| {
            let rows = rounds.rows.iter();
            rows.map(|row| row[at].reference_ns.unwrap_or(f64::NAN) - row[0].ns)
                .collect()
        })
    }

    /// `of` the case with this name; nothing where that was not measured.
    fn named(&self, name: &str, of: impl Fn(&Self, usize) -> Vec<f64>) -> Vec<f64> {
        let at = self.cases.iter().position(|case| case.name == name);
        at.map(|at| of(self, at)).unwrap_or_default()
    }
}

fn divided(above: &[f64], below: &[f64]) -> Vec<f64> {
    let pairs = above.iter().zip(below);
    pairs.map(|(above, below)| above / below).collect()
}

/// The value in the middle; of an even number, the mean of the two there. No number where there is none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The values a quarter from either end.
pub fn quartiles(values: &[f64]) -> [f64; 2] {
    [quantile(values, 0.25), quantile(values, 0.75)]
}

/// The value that this share of all is below, between two by their distance.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let (below, above) = (
        values[place.floor() as usize],
        values[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests;
