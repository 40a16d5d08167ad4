//! What the guest says on its serial line: among the kernel's own words, lines that begin with `guest: `.

use std::fmt;

use anyhow::{Result, bail};

/// What a line of the guest's program begins with.
const MARK: &str = "guest: ";

/// How many checks the guest made, and all went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    passed: u32,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{0} of {0} checks passed", self.passed)
    }
}

/// What the guest's program says in a line, if it is one of its own.
pub fn said(line: &str) -> Option<&str> {
    line.strip_prefix(MARK)
}

/// Judges a whole run by its last line, `guest: N passed, M failed`.
///
/// # Errors
/// There is none, because the guest did not come to its end; a check failed; or there was none.
pub fn judge(lines: &[String]) -> Result<Outcome> {
    let counts = lines.iter().rev().find_map(|line| summary(said(line)?));
    match counts {
        None => bail!("the guest did not come to its end"),
        Some((0, 0)) => bail!("the guest had nothing to check"),
        Some((passed, 0)) => Ok(Outcome { passed }),
        Some((passed, failed)) => bail!("{failed} of {} checks failed", passed + failed),
    }
}

fn summary(words: &str) -> Option<(u32, u32)> {
    let (passed, failed) = words.split_once(" passed, ")?;
    let failed = failed.strip_suffix(" failed")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<Outcome> {
        judge(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_line_decides() {
        let text = "[    0.5] a kernel's line\nguest: ok programs: 2\nguest: 7 passed, 0 failed\n[ 3.1] reboot: Power down";
        assert_eq!(judged(text).expect("all well"), Outcome { passed: 7 });
    }

    #[test]
    fn one_failure_is_one_too_many() {
        let error = judged("guest: 6 passed, 1 failed").expect_err("one failed");
        assert_eq!(error.to_string(), "1 of 7 checks failed");
    }

    #[test]
    fn a_guest_that_dies_or_does_nothing_has_failed() {
        for text in [
            "",
            "guest: ok programs",
            "Kernel panic",
            "guest: 0 passed, 0 failed",
            "7 passed, 0 failed",
        ] {
            assert!(judged(text).is_err(), "{text}");
        }
    }
}
