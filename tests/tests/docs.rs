//! The docs say what the code does: every row that the code has stands in them, every example is accepted.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use lb_agent::{api::metrics, config::Config};
use lb_common::{Event, Reason};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_reason_and_event_has_its_row() {
    let page = page("docs/packet-path.md");
    let rows = Reason::ALL
        .iter()
        .map(|reason| (reason.label(), reason.help()))
        .chain(Event::ALL.iter().map(|event| (event.label(), event.help())));
    for (label, help) in rows {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{label}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/packet-path.md has no row for `{label}`"));
        assert!(
            row.contains(help),
            "the row of `{label}` does not say: {help}"
        );
    }
}

#[test]
fn the_example_is_accepted_and_the_docs_have_all_its_keys() {
    let example = page("examples/lb.toml");
    let config =
        Config::parse(&example, "examples/lb.toml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(!config.services.is_empty());
    let docs = page("docs/configuration.md");
    let keys: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once(" = "))
        .map(|(key, _)| key.trim())
        .filter(|key| !key.contains(char::is_whitespace))
        .collect();
    assert!(keys.len() > 15, "the example shows {keys:?} only");
    for key in keys {
        assert!(
            docs.contains(&format!("`{key}`")),
            "docs/configuration.md does not have `{key}`"
        );
    }
}

#[test]
fn every_toml_block_of_the_docs_that_is_a_whole_file_is_accepted() {
    for name in ["README.md", "docs/configuration.md", "docs/operations.md"] {
        let page = page(name);
        for block in page
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
        {
            if block.contains("[[interface]]") && block.contains("[[service]]") {
                Config::parse(block, name).unwrap_or_else(|mistakes| panic!("{mistakes}\n{block}"));
            }
        }
    }
}

#[test]
fn every_metric_has_its_row() {
    let docs = page("docs/metrics.md");
    for name in metrics::NAMES {
        assert!(
            docs.contains(&format!("`lb_{name}")),
            "docs/metrics.md does not have lb_{name}"
        );
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let there = page.parent().unwrap_or(Path::new(".")).join(file);
            assert!(
                there.exists(),
                "{}: the link {target} leads nowhere",
                page.display()
            );
        }
    }
}
