//! What a case has to reach.

use serde::Serialize;

/// A bound on what is measured. D is the time per packet over the empty program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// D at most so many times the reference's.
    OfReference(f64),
    /// D at most so many times that of another case.
    Of(&'static str, f64),
    /// D at most so many nanoseconds.
    Ns(f64),
    /// Packets per second at least so many times those of another case.
    Packets(&'static str, f64),
    /// No open flow is lost.
    NoneLost,
}

/// How a target was met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What the target speaks of.
    pub what: String,
    /// The bound.
    pub bound: f64,
    /// What was measured.
    pub measured: f64,
    /// Whether that is within the bound.
    pub met: bool,
}

impl Target {
    /// The case that it is compared with.
    pub const fn other(&self) -> Option<&'static str> {
        match self {
            Self::Of(case, _) | Self::Packets(case, _) => Some(case),
            Self::OfReference(_) | Self::Ns(_) | Self::NoneLost => None,
        }
    }

    /// Compares what was measured, in the unit that the target speaks of, with the bound.
    pub fn judge(&self, measured: f64) -> Judged {
        let (what, bound) = match self {
            Self::OfReference(most) => ("of the reference, at most".to_owned(), *most),
            Self::Of(case, most) => (format!("of \"{case}\", at most"), *most),
            Self::Ns(most) => ("ns, at most".to_owned(), *most),
            Self::Packets(case, least) => {
                (format!("times the packets of \"{case}\", at least"), *least)
            }
            Self::NoneLost => ("open flows lost, at most".to_owned(), 0.0),
        };
        // What is no number has met nothing.
        let met = match self {
            Self::Packets(..) => measured >= bound,
            _ => measured <= bound,
        };
        Judged {
            what,
            bound,
            measured,
            met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_itself_is_within() {
        for target in [
            Target::OfReference(0.25),
            Target::Of("other", 0.25),
            Target::Ns(0.25),
        ] {
            assert!(target.judge(0.25).met);
            assert!(!target.judge(0.26).met);
        }
        assert!(Target::Packets("one", 1.9).judge(1.9).met);
        assert!(!Target::Packets("one", 1.9).judge(1.89).met);
        assert!(Target::NoneLost.judge(0.0).met);
        assert!(!Target::NoneLost.judge(1.0).met);
    }

    #[test]
    fn what_is_no_number_has_met_nothing() {
        for target in [
            Target::OfReference(1.0),
            Target::Ns(1.0),
            Target::Packets("one", 1.0),
            Target::NoneLost,
        ] {
            assert!(!target.judge(f64::NAN).met);
        }
    }
}
