//! Being told to end, by a signal or by the clock, in time to tidy up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Whether to end.
#[derive(Clone, Debug)]
pub struct Stop {
    signalled: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// From now on SIGINT, SIGTERM and SIGHUP do not end the process but are seen here.
    pub fn on_signals(deadline: Option<Instant>) -> Result<Self> {
        let signalled = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making a runtime for signals")?;
        let guard = runtime.enter();
        let catch = |kind| signal(kind).context("catching signals");
        let mut interrupt = catch(SignalKind::interrupt())?;
        let mut terminate = catch(SignalKind::terminate())?;
        let mut hang_up = catch(SignalKind::hangup())?;
        drop(guard);
        let seen = Arc::clone(&signalled);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
            });
            seen.store(true, Ordering::Relaxed);
        });
        Ok(Self {
            signalled,
            deadline,
        })
    }

    /// Whether a signal came.
    pub fn by_signal(&self) -> bool {
        self.signalled.load(Ordering::Relaxed)
    }

    /// Whether to end, for either reason.
    pub fn now(&self) -> bool {
        self.by_signal() || self.deadline.is_some_and(|end| Instant::now() >= end)
    }

    /// Does nothing for `time`.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        self.wait(time + Duration::from_secs(1), "time to pass", || {
            Instant::now() >= end
        })
        .map(drop)
    }

    /// Asks `check` every 10 ms until it says yes, and tells how long that took.
    pub fn wait(
        &self,
        timeout: Duration,
        what: &str,
        mut check: impl FnMut() -> bool,
    ) -> Result<Duration> {
        let start = Instant::now();
        while !check() {
            if self.by_signal() {
                bail!("interrupted while waiting for {what}");
            }
            ensure!(!self.now(), "out of time while waiting for {what}");
            ensure!(
                start.elapsed() < timeout,
                "waited {:.1} s in vain for {what}",
                timeout.as_secs_f64()
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(start.elapsed())
    }
}
