//! The tables, as Markdown, and the page they stand in.

use lb_tests::page::Page;

use crate::{
    choose::{SCHEDULERS, members},
    disruption::{CHANGES, Failure},
    evenness::{self, Spread},
};

/// The page.
pub const PAGE: Page = Page {
    name: "schedulers.md",
    command: "cargo xtask plots",
};

/// Flows per backend that the table about flows is made after.
const FLOWS_PER_BACKEND: u64 = 1000;

/// The table sizes of the Maglev paper's section 5.3.
const PAPER: [(&str, usize); 2] = [("65,537", 65_537), ("655,373", 655_373)];

/// Every table, with the name of its place.
pub fn tables() -> [(&'static str, String); 4] {
    [
        ("flows", flows()),
        ("slots", slots()),
        ("failures", failures()),
        ("changes", changes()),
    ]
}

fn flows() -> String {
    let mixes = evenness::mixes();
    let names = mixes.iter().map(|(name, _)| format!(" {name} |"));
    let mut table = format!("| Scheduler |{}\n", names.collect::<String>());
    table += &format!("|---|{}\n", "---|".repeat(mixes.len()));
    for scheduler in &SCHEDULERS {
        let cells = mixes.iter().map(|(_, weights)| {
            let spreads = evenness::of_flows(scheduler, weights, &[FLOWS_PER_BACKEND]);
            let spreads = spreads
                .iter()
                .map(|spread| format!(" {} |", times(*spread)));
            spreads.collect::<String>()
        });
        table += &format!("| {} |{}\n", scheduler.0, cells.collect::<String>());
    }
    table
}

fn slots() -> String {
    let mut table = String::from("| Table | Slots | Most | Fewest |\n|---|---|---|---|\n");
    let mut row = |what: &str, len: &str, spread: Spread| {
        let [most, fewest] = [spread.most, spread.fewest].map(over);
        table += &format!("| {what} | {len} | {most} | {fewest} |\n");
    };
    for (name, len) in PAPER {
        row(
            "1,000 backends",
            name,
            evenness::of_slots(&members(&[1; 1000]), len),
        );
    }
    for (name, weights) in evenness::mixes() {
        let (len, spread) = evenness::of_own_size(&weights);
        row(name, &grouped(len), spread);
    }
    table
}

fn failures() -> String {
    let mut table = String::from(
        "| Fail | Slots | must move | maglev, source-hash | Maglev without repair | hash modulo backends | most slots, ours | \
         most slots, without repair |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (backends, failed, len) in [
        (10, 1, 4093),
        (10, 3, 4093),
        (100, 1, 16_381),
        (100, 10, 16_381),
        (1000, 1, 65_537),
        (1000, 10, 65_537),
        (1000, 100, 65_537),
        (1000, 100, 131_071),
        (1000, 500, 131_071),
    ] {
        let failure = Failure::new(backends, failed, len);
        let shares = [
            failure.must,
            failure.repaired,
            failure.plain,
            failure.modulo,
        ]
        .map(percent);
        let most = [failure.most_repaired, failure.most_plain].map(over);
        table += &format!(
            "| {} of {} | {} | {} | {} |\n",
            grouped(failed),
            grouped(backends),
            grouped(len),
            shares.join(" | "),
            most.join(" | ")
        );
    }
    table
}

fn changes() -> String {
    let mut table =
        String::from("| One backend | of 10 | of 100 | of 1,000 |\n|---|---|---|---|\n");
    for change in &CHANGES {
        let cells = [10, 100, 1000].map(|backends| {
            let [must, moved] = change.moves(backends).map(percent);
            format!("{moved} ({must})")
        });
        table += &format!("| {} | {} |\n", change.what, cells.join(" | "));
    }
    table
}

/// As in 1.021 / 0.980.
fn times(spread: Spread) -> String {
    format!("{:.3} / {:.3}", spread.most, spread.fewest)
}

/// A multiple of the exact share as what it is off by, in per cent.
fn over(times: f64) -> String {
    format!("{:+.2} %", 100.0 * (times - 1.0))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// With a comma before each three digits; below a million.
fn grouped(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}
