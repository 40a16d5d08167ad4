//! The command line by itself: help, wrong usage, no agent, checking a file. No lab, and no root.

use std::{
    fs,
    process::{Command, Output},
};

use lb_tests::lab::binary;

const GOOD: &str = r#"
[[interface]]
name = "eth0"

[[service]]
name   = "web"
listen = ["192.0.2.10:80/tcp"]
[[service.backend]]
name    = "web-1"
address = "10.0.1.11"
"#;

fn lb(args: &[&str]) -> Output {
    let mut command = Command::new(binary::lb().unwrap());
    command.args(args).env_remove("LB_API").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The verbs, by the program's own help.
fn verbs() -> Vec<String> {
    let help = stdout(&lb(&["--help"]));
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    // Continued descriptions stand deeper.
    let verbs = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let verbs = verbs.filter(|verb| !verb.is_empty() && *verb != "help");
    verbs.map(str::to_owned).collect()
}

#[test]
fn every_verb_s_help_has_an_example() {
    let expected = [
        "agent", "check", "status", "weight", "drain", "ready", "maint", "flows", "explain",
        "reload", "detach", "decap",
    ];
    assert_eq!(verbs(), expected);
    for verb in verbs() {
        let output = lb(&[&verb, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        let help = stdout(&output);
        let example = format!("lb {verb}");
        let shown = help.split("Example").nth(1).unwrap_or_default();
        assert!(
            shown.contains(&example),
            "no example of `{example}` in:\n{help}"
        );
    }
    assert!(
        stdout(&lb(&["--help"]))
            .contains("Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no agent")
    );
}

#[test]
fn wrong_usage_is_2() {
    for args in [
        [].as_slice(),
        &["nonsense"],
        &["agent"],
        &["weight"],
        &["weight", "web"],
        &["drain", "/web-1"],
        &["status", "--json", "--watch"],
        &["explain", "192.0.2.1:1"],
        &["flows", "--nonsense"],
    ] {
        let output = lb(args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("Usage:") || stderr(&output).contains("--help"),
            "{args:?}"
        );
    }
}

#[test]
fn no_agent_is_3_and_says_how_to_start_one() {
    for args in [
        ["status"].as_slice(),
        &["weight", "web/web-1"],
        &["weight", "web/web-1", "5"],
        &["drain", "web/web-1"],
        &["ready", "web/web-1"],
        &["maint", "web/web-1"],
        &["flows"],
        &["explain", "198.51.100.7:40000", "192.0.2.10:80"],
        &["reload"],
    ] {
        let args = [&["--api", "/run/lb-nobody.sock"], args].concat();
        let output = lb(&args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
        assert!(
            said.starts_with("lb: no agent answers at /run/lb-nobody.sock"),
            "{said}"
        );
        assert!(said.contains("lb agent --config FILE"), "{said}");
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn check_says_good_or_where_it_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lb.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, GOOD).unwrap();
    let output = lb(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output).trim(),
        format!("{path}: good: 1 interfaces, 1 services, 1 backends")
    );
    assert_eq!(
        stdout(&lb(&["check", "--config", path, "--json"])).trim(),
        "[]"
    );

    // Two mistakes, and both are told.
    fs::write(
        &file,
        GOOD.replace("listen", "listn")
            .replace("10.0.1.11", "10.0.1.300"),
    )
    .unwrap();
    let output = lb(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(1));
    for place in [format!("{path}:7:"), format!("{path}:10:")] {
        assert!(
            stderr(&output).contains(&place),
            "no `{place}` in {}",
            stderr(&output)
        );
    }
    let output = lb(&["check", "--config", path, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let mistakes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(mistakes.to_string().contains("10.0.1.300"), "{mistakes}");

    let output = lb(&["check", "--config", "/nowhere/lb.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("/nowhere/lb.toml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn detach_where_nothing_is_has_nothing_to_do() {
    let output = lb(&[
        "--api",
        "/run/lb-nobody.sock",
        "detach",
        "--pin-dir",
        "/sys/fs/bpf/lb-nobody",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output).trim(),
        "nothing is pinned in /sys/fs/bpf/lb-nobody"
    );
}
