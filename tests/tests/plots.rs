//! The figures and tables of docs/schedulers.md are what the schedulers give today.

use std::{fs, path::Path, process::Command};

#[test]
fn the_committed_figures_are_those_made_now() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let made = tempfile::tempdir().unwrap();
    fs::copy(
        docs.join("schedulers.md"),
        made.path().join("schedulers.md"),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lb-plots"))
        .arg(made.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for file in [
        "schedulers.md",
        "schedulers/evenness.svg",
        "schedulers/disruption.svg",
    ] {
        let [committed, now] =
            [&docs, made.path()].map(|dir: &Path| fs::read_to_string(dir.join(file)).unwrap());
        assert!(
            committed == now,
            "docs/{file} is out of date; make it anew with: cargo xtask plots"
        );
    }
}

#[test]
fn a_page_without_its_places_is_refused() {
    let docs = tempfile::tempdir().unwrap();
    fs::write(docs.path().join("schedulers.md"), "# Schedulers\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lb-plots"))
        .arg(docs.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("schedulers.md has no place for flows"),
        "{errors}"
    );
}
