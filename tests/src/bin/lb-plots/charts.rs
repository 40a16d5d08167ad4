//! The figures.

use anyhow::Result;
use lb_tests::chart::{Line, SeriesLabelPosition, Words, draw};

use crate::{choose::SCHEDULERS, disruption::Failure, evenness};

/// Flows per backend of the first figure's points.
const FLOWS: [u64; 10] = [1, 3, 10, 30, 100, 300, 1000, 2000, 3000, 5000];

/// Failures of the second figure's points, of 1,000 backends in 65,537 slots.
const FAILED: [usize; 10] = [1, 2, 3, 5, 10, 20, 30, 50, 70, 100];

/// The fullest of 100 backends, by flows per backend.
pub fn evenness() -> Result<String> {
    let lines = SCHEDULERS.iter().map(|scheduler| {
        let spreads = evenness::of_flows(scheduler, &[1; 100], &FLOWS);
        let points = FLOWS.iter().zip(spreads);
        (
            scheduler.0,
            points
                .map(|(flows, spread)| (*flows as f64, spread.most))
                .collect(),
        )
    });
    let words = Words {
        title: "The fullest of 100 backends of equal weight",
        x: "new flows per backend",
        y: "its flows / its exact share",
        names: SeriesLabelPosition::UpperRight,
    };
    draw(words, (1.0, 5000.0), (1.0, 6.0), &lines.collect::<Vec<_>>())
}

/// The flows that move when some of 1,000 backends fail.
pub fn disruption() -> Result<String> {
    let failures: Vec<_> = FAILED
        .iter()
        .map(|failed| (*failed as f64, Failure::new(1000, *failed, 65_537)))
        .collect();
    let line = |of: fn(&Failure) -> f64| {
        failures
            .iter()
            .map(|(failed, failure)| (*failed, 100.0 * of(failure)))
            .collect()
    };
    let lines: [Line; 3] = [
        ("hash modulo backends", line(|failure| failure.modulo)),
        ("Maglev without repair", line(|failure| failure.plain)),
        (
            "maglev, source-hash: those that must",
            line(|failure| failure.repaired),
        ),
    ];
    let words = Words {
        title: "Flows that are not remembered and move when some of 1,000 backends fail",
        x: "backends that fail",
        y: "per cent of all flows",
        names: SeriesLabelPosition::LowerRight,
    };
    draw(words, (1.0, 100.0), (0.05, 200.0), &lines)
}
