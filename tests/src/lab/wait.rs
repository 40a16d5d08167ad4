//! Waiting for something to become so, without guessing how long it takes.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

/// Asks `check` every 10 ms until it says yes, and tells how long that took; `what` completes "waited for".
///
/// # Errors
/// It did not come true within `timeout`.
pub fn wait_until(
    timeout: Duration,
    what: &str,
    mut check: impl FnMut() -> bool,
) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if check() {
            return Ok(start.elapsed());
        }
        ensure!(
            start.elapsed() < timeout,
            "waited {:.1} s in vain for {what}",
            timeout.as_secs_f64()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_waited_for() {
        let error = wait_until(Duration::ZERO, "a miracle", || false).unwrap_err();
        assert_eq!(error.to_string(), "waited 0.0 s in vain for a miracle");
    }

    #[test]
    fn asks_again_until_it_is_so() {
        let mut asked = 0;
        wait_until(Duration::from_secs(5), "the third time", || {
            asked += 1;
            asked == 3
        })
        .unwrap();
        assert_eq!(asked, 3);
    }
}
