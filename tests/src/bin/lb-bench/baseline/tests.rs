use super::*;

fn figure(case: &'static str, net_ns: f64, ratio: f64, spread: f64) -> Figure {
    Figure {
        case,
        ns: 30.0 + net_ns,
        ns_quartiles: [30.0 + net_ns; 2],
        net_ns,
        net_quartiles_ns: [net_ns; 2],
        reference_ns: None,
        compared_with: "direct return",
        ratio,
        ratio_quartiles: [ratio - spread / 2.0, ratio + spread / 2.0],
        lost: None,
        targets: Vec::new(),
        is_compared: true,
    }
}

#[test]
fn the_band_is_the_widest_of_what_runs_and_rounds_differ_by_and_the_clocks_error() {
    let band = |figure| Recorded::of(&figure).band;
    // Of 0.4: 15 % are 0.06, and one of 100 ns is 0.004.
    assert_eq!(band(figure("calm", 100.0, 0.4, 0.01)), 0.064);
    assert_eq!(band(figure("restless", 100.0, 0.4, 0.2)), 0.204);
    assert_eq!(band(figure("quick", 2.0, 0.4, 0.01)), 0.26);
}

#[test]
fn only_what_is_above_its_band_is_worse() {
    let before = [figure("a", 100.0, 0.4, 0.0), figure("b", 100.0, 0.5, 0.0)];
    let baseline = Baseline::of(&before);
    let worse = |now: &[Figure], whole| -> Vec<String> {
        let compared = baseline.compare(now, whole).into_iter();
        compared
            .filter(|compared| compared.is_worse)
            .map(|compared| compared.case)
            .collect()
    };
    assert!(worse(&before, true).is_empty());
    let faster = [figure("a", 50.0, 0.2, 0.0), figure("b", 100.0, 0.5, 0.0)];
    assert!(worse(&faster, true).is_empty());
    let within = [figure("a", 116.0, 0.463, 0.0), figure("b", 100.0, 0.5, 0.0)];
    assert!(worse(&within, true).is_empty());
    let slower = [figure("a", 118.0, 0.47, 0.0), figure("b", 100.0, 0.5, 0.0)];
    assert_eq!(worse(&slower, true), ["a"]);
    let broken = [figure("a", 100.0, f64::NAN, 0.0)];
    assert_eq!(worse(&broken, false), ["a"]);
}

#[test]
fn a_case_that_is_gone_is_worse_in_a_whole_run_only() {
    let baseline = Baseline::of(&[figure("a", 100.0, 0.4, 0.0), figure("b", 100.0, 0.5, 0.0)]);
    let now = [figure("b", 100.0, 0.5, 0.0)];
    let compared = baseline.compare(&now, true);
    assert_eq!(compared.len(), 2);
    assert!(compared[0].is_worse && compared[0].ratio.is_none());
    assert_eq!(baseline.compare(&now, false).len(), 1);
}

#[test]
fn what_lb_does_not_do_is_not_recorded() {
    let other = Figure {
        is_compared: false,
        ..figure("empty program", 0.0, 0.0, 0.0)
    };
    assert!(Baseline::of(&[other]).cases.is_empty());
}

#[test]
fn it_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("baseline.json");
    assert_eq!(Baseline::read(&path).unwrap(), None);
    let baseline = Baseline::of(&[figure("a", 100.0, 0.4, 0.0)]);
    fs::write(&path, serde_json::to_string(&baseline).unwrap()).unwrap();
    assert_eq!(Baseline::read(&path).unwrap(), Some(baseline));
    fs::write(&path, "no baseline").unwrap();
    assert!(Baseline::read(&path).is_err());
}
