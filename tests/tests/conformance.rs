//! docs/conformance.md names tests that exist, or checks on other kernels, at least one for each behaviour.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(name: &str) -> Result<String, String> {
    fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))
}

/// The rows of all tables but their heads: behaviour, reference, proofs.
fn rows(page: &str) -> Vec<[String; 3]> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().into())
            .collect()
    };
    page.lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
        .map(|line| {
            let cells = cells(line);
            cells
                .try_into()
                .unwrap_or_else(|_| panic!("not three cells: {line}"))
        })
        .filter(|[behaviour, ..]: &[String; 3]| behaviour != "Behaviour")
        .collect()
}

/// What is wrong with a row, if something is.
fn problem([behaviour, reference, proofs]: &[String; 3]) -> Option<String> {
    if behaviour.is_empty() || reference.is_empty() {
        return Some("it has no behaviour or no reference".into());
    }
    let proofs: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
    if proofs.is_empty() {
        return Some("it has no proof".into());
    }
    proofs.iter().find_map(|proof| exists(proof).err())
}

fn exists(proof: &str) -> Result<(), String> {
    if let Some(check) = proof.strip_prefix("cargo xtask vm -- ") {
        let checks = text("tests/src/bin/lb-guest/main.rs")?;
        let made = checks.contains(&format!("report.check(\"{check}\", "));
        return made
            .then_some(())
            .ok_or(format!("`{proof}` checks nothing"));
    }
    let (file, name) = proof
        .rsplit_once("::")
        .ok_or(format!("`{proof}` is no test"))?;
    let source = text(file)?;
    // Of a property the arguments stand between the parentheses.
    let head = format!("fn {name}(");
    let at = source
        .lines()
        .position(|line| line.trim_start().starts_with(&head))
        .ok_or(format!("{file} has no test {name}"))?;
    let is_test = source
        .lines()
        .take(at)
        .collect::<Vec<_>>()
        .iter()
        .rev()
        .take_while(|line| line.trim_start().starts_with(['#', '/']))
        .any(|line| line.trim() == "#[test]");
    is_test
        .then_some(())
        .ok_or(format!("{file}: {name} is no test"))
}

#[test]
fn every_behaviour_is_proved_by_a_test_that_exists() {
    let page = text("docs/conformance.md").unwrap();
    let rows = rows(&page);
    assert!(rows.len() > 40, "only {} rows", rows.len());
    let problems: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row[0], problem(row)?)))
        .collect();
    assert!(
        problems.is_empty(),
        "docs/conformance.md\n{}",
        problems.join("\n")
    );
}

#[test]
fn a_row_that_proves_nothing_is_found() {
    let row = |proof: &str| problem(&["it works".into(), "RFC 1".into(), proof.into()]);
    let this = "tests/tests/conformance.rs";
    assert_eq!(
        row(&format!("`{this}::a_row_that_proves_nothing_is_found`")),
        None
    );
    assert_eq!(row("`cargo xtask vm -- one-arm`"), None);
    for (proof, why) in [
        ("", "it has no proof"),
        ("`tests/tests/none.rs::none`", "tests/tests/none.rs: "),
        (&format!("`{this}::nobody`"), "has no test nobody"),
        (&format!("`{this}::rows`"), "rows is no test"),
        ("`words`", "is no test"),
        ("`cargo xtask vm -- nothing`", "checks nothing"),
    ] {
        let found = row(proof).unwrap_or_else(|| panic!("{proof} passes"));
        assert!(found.contains(why), "{found}");
    }
}
