//! The measuring stand measures what it says: every case runs, and its packets are counted as it expects them to be. The
//! figures of so few packets mean nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

fn bench(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lb-bench"))
        .args(["--rounds", "3", "--packets", "1000", "--most", "64"])
        .args(args)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), errors)
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_case_takes_the_way_it_is_named_after() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.json");
    // A run fails where a packet was counted otherwise, by lb or by the reference.
    let (is_done, errors) = bench(&["--json", file.to_str().unwrap()]);
    assert!(is_done, "{errors}");
    let report = read(&file);
    let figures = report["figures"].as_array().unwrap();
    assert!(figures.len() > 40, "{} cases", figures.len());
    for figure in figures {
        for key in ["ns", "net_ns", "ratio"] {
            assert!(figure[key].is_f64(), "{key} of {figure}");
        }
        for target in figure["targets"].as_array().unwrap() {
            assert!(target["measured"].is_f64(), "{figure}");
        }
    }
    for size in report["programs"].as_array().unwrap() {
        assert!(size["verified"].as_u64() > Some(0), "{size}");
        assert!(size["machine_code_bytes"].as_u64() > Some(0), "{size}");
    }
}

#[test]
fn a_run_that_is_worse_than_its_baseline_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("baseline.json");
    let compare = |ratio: f64| {
        let baseline = json!({"cases": {"gue": {"ratio": ratio, "band": 0.1}}});
        fs::write(&file, baseline.to_string()).unwrap();
        bench(&["gue", "--compare", file.to_str().unwrap()])
    };
    let (is_done, errors) = compare(1e9);
    assert!(is_done, "{errors}");
    let (is_done, errors) = compare(-1e9);
    assert!(!is_done);
    assert!(
        errors.contains("1 of the ratios are worse than the baseline"),
        "{errors}"
    );
}

#[test]
fn what_cannot_be_compared_or_measured_is_refused() {
    let (is_done, errors) = bench(&["--compare", "/nonexistent.json"]);
    assert!(!is_done);
    assert!(errors.contains("no baseline is recorded there"), "{errors}");
    let (is_done, errors) = bench(&["a case that is not"]);
    assert!(!is_done);
    assert!(
        errors.contains("no case is called anything like"),
        "{errors}"
    );
}
