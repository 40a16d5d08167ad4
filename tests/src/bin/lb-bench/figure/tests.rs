use super::*;
use crate::cases::all;

fn measured(ns: f64, reference_ns: Option<f64>) -> Measured {
    Measured {
        ns,
        reference_ns,
        lost: None,
    }
}

/// Rounds in which every case but the empty program takes what `of` says, by its name.
fn rows(cases: &[Case], empty: &[f64], of: impl Fn(&str, usize) -> Measured) -> Vec<Vec<Measured>> {
    let rounds = empty.iter().enumerate();
    rounds
        .map(|(round, empty)| {
            let one = |case: &Case| match case.program {
                Program::Empty => measured(empty / f64::from(case.cpus), None),
                _ => of(case.name, round),
            };
            cases.iter().map(one).collect()
        })
        .collect()
}

fn figure(figures: &[Figure], name: &str) -> Figure {
    let found = figures.iter().find(|figure| figure.case == name);
    found.unwrap_or_else(|| panic!("no case {name}")).clone()
}

/// The targets of one case, as measured.
fn measured_targets(figure: &Figure) -> Vec<f64> {
    figure
        .targets
        .iter()
        .map(|judged| judged.measured)
        .collect()
}

#[test]
fn what_falls_on_all_alike_is_no_difference() {
    let cases = all(64);
    // The machine is three times as slow in the second round, and one and a half times in the third.
    let slowness = [1.0, 3.0, 1.5];
    let empty = slowness.map(|slow| 30.0 * slow);
    let rows = rows(&cases, &empty, |_, round| {
        measured(50.0 * slowness[round], Some(110.0 * slowness[round]))
    });
    let rounds = Rounds {
        cases: &cases,
        rows: &rows,
    };
    let direct = figure(&rounds.figures(), "direct return");
    assert_eq!(direct.ns, 75.0);
    assert_eq!(direct.net_ns, 30.0);
    assert_eq!(direct.reference_ns, Some(120.0));
    assert!((direct.ratio - 0.25).abs() < 1e-9, "{}", direct.ratio);
    assert!((direct.ratio_quartiles[1] - direct.ratio_quartiles[0]).abs() < 1e-9);
    assert_eq!(direct.net_quartiles_ns, [25.0, 45.0]);
}

#[test]
fn each_target_speaks_of_its_own_figures() {
    let cases = all(64);
    let rows = rows(&cases, &[30.0, 30.0, 30.0], |name, _| match name {
        "direct return" => measured(50.0, Some(110.0)),
        "direct return, 1,048,576 flows" => measured(90.0, Some(230.0)),
        "maglev, not remembered" => measured(40.0, None),
        "maglev, not remembered, 1,048,576 flows" => measured(55.0, None),
        "passed: not a service" => measured(38.0, None),
        "direct return, one CPU of two" => measured(60.0, None),
        "direct return, two CPUs" => measured(40.0, None),
        "SYN flood beside 65,536 open flows" => Measured {
            lost: Some(3),
            ..measured(130.0, None)
        },
        "direct return, 65,536 flows" => measured(80.0, Some(210.0)),
        _ => measured(1000.0, Some(1000.0)),
    });
    let rounds = Rounds {
        cases: &cases,
        rows: &rows,
    };
    let figures = rounds.figures();
    let of = |name| figure(&figures, name);

    // Compared with the reference of another case, and with another case.
    let stateless = of("maglev, not remembered, 1,048,576 flows");
    assert_eq!(stateless.reference_ns, Some(200.0));
    assert_eq!(measured_targets(&stateless), [0.125, 2.5]);
    assert!(stateless.targets[0].met && !stateless.targets[1].met);

    // Without a reference of its own, the yardstick's.
    let passed = of("passed: not a service");
    assert_eq!((passed.reference_ns, passed.ratio), (None, 0.1));
    assert_eq!(measured_targets(&passed), [8.0]);

    // Packets of two CPUs, the stand included; D is over two CPUs' empty program.
    let two = of("direct return, two CPUs");
    assert_eq!(measured_targets(&two), [1.5]);
    assert_eq!(two.net_ns, 25.0);

    let flood = of("SYN flood beside 65,536 open flows");
    assert_eq!(measured_targets(&flood), [2.0, 3.0]);
    assert_eq!(flood.lost, Some(3));
}

#[test]
fn what_a_case_is_compared_with_exists() {
    let cases = all(64);
    let named = |name: &str| cases.iter().find(|case| case.name == name);
    for case in &cases {
        if let Some(reference) = case.reference {
            let other = named(reference).map(|other| other.reference);
            assert_eq!(other, Some(Some(reference)), "{}", case.name);
        }
        for other in case.targets.iter().filter_map(Target::other) {
            assert!(named(other).is_some(), "{}: {other}", case.name);
        }
        let alike = cases.iter().filter(|other| other.name == case.name);
        assert_eq!(alike.count(), 1, "{}", case.name);
    }
    assert!(named(YARDSTICK).is_some_and(|case| case.reference == Some(YARDSTICK)));
    assert!(cases[0].program == Program::Empty && cases[0].cpus == 1);
    assert!(cases[1].program == Program::Empty && cases[1].cpus == 2);
}

#[test]
fn medians_and_quartiles() {
    assert_eq!(median(&[5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    assert_eq!(quartiles(&[1.0, 2.0, 3.0, 4.0, 5.0]), [2.0, 4.0]);
    assert_eq!(median(&[7.0]), 7.0);
    assert!(median(&[]).is_nan());
}
