//! `cargo xtask bench net` works: every live frame arrives, and every forwarder has its clients answered.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_case_of_the_net_benchmark_delivers() {
    // The command itself fails where a frame or a request is lost, or goes another way than the one to be measured.
    let output = Command::new(env!("CARGO_BIN_EXE_lb-bench-net"))
        .args(["--json", "--rounds", "1"])
        .args(["--only", "live", "--only", "new-connections"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = |part: &str, rate: &str| {
        let figures = report[part].as_array().unwrap().iter();
        figures
            .map(|figure| figure[rate]["median"].as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let live = figures("live", "packets_per_second");
    let clients = figures("clients", "requests_per_second");
    assert_eq!((live.len(), clients.len()), (10, 7));
    assert!(
        live.iter().chain(&clients).all(|rate| *rate > 0.0),
        "{report:#}"
    );
}
