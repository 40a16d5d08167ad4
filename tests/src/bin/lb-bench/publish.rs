//! The tables and plots of docs/performance.md, and the baseline that later runs are compared with.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use lb_tests::{
    chart::{Line, SeriesLabelPosition, Words, draw},
    page::Page,
};

use super::{
    baseline::Baseline,
    figure::Figure,
    machine::Machine,
    programs::Size,
    report::{Report, told},
};

/// The page.
const PAGE: Page = Page {
    name: "performance.md",
    command: "cargo xtask bench -- --publish",
};

/// A chart.
struct Plot {
    file: &'static str,
    words: Words,
    lines: &'static [Pair],
}

/// A line of lb's D and one of the reference's.
struct Pair {
    names: [&'static str; 2],
    /// Each at its horizontal value.
    cases: &'static [(u32, &'static str)],
}

const FLOWS: &[Pair] = &[
    Pair {
        names: ["lb, direct return", "classic, direct return"],
        cases: &[
            (1, "direct return"),
            (65_536, "direct return, 65,536 flows"),
            (1 << 20, "direct return, 1,048,576 flows"),
        ],
    },
    Pair {
        names: ["lb, ipip", "classic, ipip"],
        cases: &[
            (1, "ipip"),
            (65_536, "ipip, 65,536 flows"),
            (1 << 20, "ipip, 1,048,576 flows"),
        ],
    },
    Pair {
        names: ["lb, nat", "classic, nat"],
        cases: &[
            (1, "nat"),
            (65_536, "nat, 65,536 flows"),
            (1 << 20, "nat, 1,048,576 flows"),
        ],
    },
];

const SERVICES: &[Pair] = &[Pair {
    names: ["lb", "classic"],
    cases: &[
        (1, "1 service, 65,536 flows"),
        (64, "64 services, 65,536 flows"),
        (4095, "4,095 services, 65,536 flows"),
    ],
}];

const BACKENDS: &[Pair] = &[Pair {
    names: ["lb", "classic"],
    cases: &[
        (2, "2 backends, 65,536 flows"),
        (100, "100 backends, 65,536 flows"),
        (10_000, "10,000 backends, 65,536 flows"),
    ],
}];

/// All of them.
fn plots() -> [Plot; 3] {
    let words = |title, x| Words {
        title,
        x,
        y: "ns per packet over the empty program",
        names: SeriesLabelPosition::LowerRight,
    };
    [
        Plot {
            file: "flows.svg",
            words: words("Packets of open flows", "open flows"),
            lines: FLOWS,
        },
        Plot {
            file: "services.svg",
            words: words("Packets of 65,536 open flows to many services", "services"),
            lines: SERVICES,
        },
        Plot {
            file: "backends.svg",
            words: words("Packets of 65,536 open flows to many backends", "backends"),
            lines: BACKENDS,
        },
    ]
}

/// Writes them below `docs`, which has performance.md.
///
/// # Errors
/// Where a file cannot be written, or the page has no place for a table.
pub fn publish(report: &Report, docs: &Path) -> Result<()> {
    let path = docs.join(PAGE.name);
    let mut text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for (marker, table) in [
        ("machine", machine(&report.machine, report)),
        ("figures", figures(&report.figures)),
        ("programs", programs(&report.programs)),
    ] {
        text = PAGE.with(&text, marker, &table)?;
    }
    write(&path, &text)?;
    let below = docs.join("performance");
    fs::create_dir_all(&below).with_context(|| format!("cannot make {}", below.display()))?;
    for plot in plots() {
        write(&below.join(plot.file), &plot.svg(&report.figures)?)?;
    }
    let baseline = serde_json::to_string_pretty(&Baseline::of(&report.figures))?;
    write(&below.join("baseline.json"), &(baseline + "\n"))
}

impl Plot {
    fn svg(self, figures: &[Figure]) -> Result<String> {
        let mut lines: Vec<Line> = Vec::new();
        for Pair { names, cases } in self.lines {
            let [own, classic] = *names;
            lines.push((own, line(cases, figures, |figure| Some(figure.net_ns))));
            lines.push((classic, line(cases, figures, |figure| figure.reference_ns)));
        }
        let all = || lines.iter().flat_map(|(_, points)| points);
        let (left, right) = range(all().map(|(x, _)| *x)).context("nothing to draw")?;
        let (low, high) = range(all().map(|(_, y)| *y)).context("nothing to draw")?;
        draw(self.words, (left, right), (low / 1.5, high * 1.5), &lines)
    }
}

/// Those of the cases that were measured, and have a place on a logarithmic axis.
fn line(
    cases: &[(u32, &str)],
    figures: &[Figure],
    of: impl Fn(&Figure) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let place = |(x, case): &(u32, &str)| {
        let figure = figures.iter().find(|figure| figure.case == *case)?;
        let y = of(figure).filter(|y| *y > 0.0)?;
        Some((f64::from(*x), y))
    };
    cases.iter().filter_map(place).collect()
}

/// The least and the greatest.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

fn machine(machine: &Machine, report: &Report) -> String {
    let kind = if machine.is_virtual {
        ", a virtual machine"
    } else {
        ""
    };
    format!(
        "| | |\n|---|---|\n| Processor | {} |\n| Processors | {}{kind} |\n| Kernel | Linux {} |\n| Rounds | {} of {} packets per case |\n",
        machine.cpu, machine.cpus, machine.kernel, report.rounds, report.packets
    )
}

fn figures(figures: &[Figure]) -> String {
    let mut table = String::from(
        "| Case | D | Quartiles | REF | Ratio | Target |\n|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        let [low, high] = figure.net_quartiles_ns;
        let reference = figure
            .reference_ns
            .map_or_else(String::new, |ns| format!("{ns:.0}"));
        let targets: Vec<String> = figure.targets.iter().map(told).collect();
        table += &format!(
            "| {} | {:.0} | {low:.0} to {high:.0} | {reference} | {:.2} | {} |\n",
            figure.case,
            figure.net_ns,
            figure.ratio,
            targets.join("; ")
        );
    }
    table
}

fn programs(sizes: &[Size]) -> String {
    let mut table = String::from(
        "| Program | Instructions verified | Machine code, bytes | Target |\n|---|---|---|---|\n",
    );
    for size in sizes {
        let verified = size
            .verified
            .map_or_else(|| "not told".into(), |verified| verified.to_string());
        table += &format!(
            "| `{}` | {verified} | {} | {} |\n",
            size.program,
            size.machine_code_bytes,
            if size.met { "met" } else { "MISSED" }
        );
    }
    table
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
