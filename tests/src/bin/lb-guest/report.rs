//! One line per check, and one at the end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Result, anyhow};

/// Counts what went well and what did not, and tells it at once.
#[derive(Debug)]
pub struct Report {
    filter: Vec<String>,
    passed: u32,
    failed: u32,
}

impl Report {
    /// Of those checks whose name contains a word of `filter`, or of all if it is empty.
    pub fn new(filter: Vec<String>) -> Self {
        Self {
            filter,
            passed: 0,
            failed: 0,
        }
    }

    /// Makes a check, which gives what it has found out; one that panics has failed, and the next goes on.
    pub fn check(&mut self, name: &str, work: impl FnOnce() -> Result<String>) {
        if !self.wants(name) {
            return;
        }
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(anyhow!("it panicked; the message is above")));
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(found) => {
                self.passed += 1;
                println!("guest: ok     {name} ({seconds:.1} s): {found}");
            }
            Err(error) => {
                self.failed += 1;
                println!("guest: FAILED {name} ({seconds:.1} s): {error:#}");
            }
        }
    }

    /// Tells the sum, and whether all went well.
    pub fn end(self) -> ExitCode {
        println!("guest: {} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|word| name.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_panics_as_failed_and_goes_on() {
        let mut report = Report::new(Vec::new());
        report.check("a", || Ok(String::new()));
        report.check("b", || panic!("on purpose"));
        report.check("c", || Err(anyhow!("on purpose")));
        report.check("d", || Ok(String::new()));
        assert_eq!((report.passed, report.failed), (2, 2));
        assert_eq!(report.end(), ExitCode::FAILURE);
    }

    #[test]
    fn makes_only_the_checks_that_are_named() {
        let mut report = Report::new(vec!["arm".to_owned(), "vec".to_owned()]);
        for name in ["one-arm", "vectors", "programs"] {
            report.check(name, || Ok(String::new()));
        }
        assert_eq!((report.passed, report.failed), (2, 0));
        assert_eq!(report.end(), ExitCode::SUCCESS);
    }

    #[test]
    fn nothing_checked_is_no_success() {
        assert_eq!(Report::new(Vec::new()).end(), ExitCode::FAILURE);
    }
}
