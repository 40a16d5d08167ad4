//! What a file says, and what is said of a wrong one.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// The example of the documentation.
const EXAMPLE: &str = r#"
[agent]
api     = "/run/lb/lb.sock"
pin_dir = "/sys/fs/bpf/lb"

[[interface]]
name = "eth0"
xdp  = "auto"            # native where the driver can, else generic with a warning; "native" and "generic" insist

[[service]]
name      = "web"
listen    = ["192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp"]
scheduler = "round-robin"
forward   = "dsr"        # rewrite MAC addresses only; the backend answers the client directly
probe     = { type = "http", port = 80, path = "/healthz", interval = "1s", timeout = "500ms", rise = 2, fall = 3 }
[[service.backend]]
name = "web-1"
address = "10.0.1.11"
weight = 100             # 0..=256
[[service.backend]]
name = "web-2"
address = "10.0.1.12"
backup = true            # serves only while no ready, healthy, non-zero-weight active backend is left
"#;

/// The least a file can say: everything else has a default.
const LEAST: &str = r#"
[[interface]]
name = "eth0"

[[service]]
name = "web"
listen = ["192.0.2.10:80/tcp"]
probe = { type = "tcp" }
# here

[[service.backend]]
name = "web-1"
address = "10.0.1.11"
"#;

/// Mistakes in [`LEAST`]: what is written there, and what someone wrote instead.
const MISTAKES: &[(&str, &str)] = &[
    // Keys.
    ("# here", "shceduler = \"round-robin\""),
    ("type = \"tcp\"", "type = \"tcp\", fastinter = \"1s\""),
    ("type = \"tcp\"", "type = \"tcp\", inter = \"1s\""),
    ("# here", "sticky = true"),
    ("# here", "[agents]\napi = \"/run/lb.sock\""),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nwieght = 2",
    ),
    ("type = \"tcp\"", "type = \"tcp\", intervall = \"2s\""),
    ("name = \"eth0\"", "xdp = \"native\""),
    ("listen = [\"192.0.2.10:80/tcp\"]", ""),
    ("type = \"tcp\"", ""),
    ("address = \"10.0.1.11\"", ""),
    ("name = \"web-1\"", ""),
    // Types.
    ("name = \"web\"", "name = 5"),
    (
        "listen = [\"192.0.2.10:80/tcp\"]",
        "listen = \"192.0.2.10:80/tcp\"",
    ),
    ("listen = [\"192.0.2.10:80/tcp\"]", "listen = []"),
    ("listen = [\"192.0.2.10:80/tcp\"]", "listen = [80]"),
    ("probe = { type = \"tcp\" }", "probe = \"tcp\""),
    ("[[interface]]", "agent = 5\n[[interface]]"),
    ("[[interface]]", "[interface]"),
    ("[[service.backend]]", "[service.backend]"),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = \"50%\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = 0.5",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nbackup = \"yes\"",
    ),
    ("# here", "tcp_idle = 3600"),
    // Names.
    ("name = \"web\"", "name = \"\""),
    ("name = \"web\"", "name = \"my web\""),
    ("name = \"web-1\"", "name = \"web/1\""),
    (
        "name = \"web-1\"",
        "name = \"a-name-of-sixty-four-characters-is-one-more-than-the-longest-one-\"",
    ),
    ("name = \"eth0\"", "name = \"an-interface-name\""),
    (
        "name = \"eth0\"",
        "name = \"eth0\"\n[[interface]]\nname = \"eth0\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service.backend]]\nname = \"web-1\"\naddress = \"10.0.1.12\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service]]\nname = \"web\"\nlisten = [\"192.0.2.10:443/tcp\"]\n\
         backend = [{ name = \"web-1\", address = \"10.0.1.11\" }]",
    ),
    // Listeners.
    ("192.0.2.10:80/tcp", "192.0.2.10:80"),
    ("192.0.2.10:80/tcp", "192.0.2.10:80/http"),
    ("192.0.2.10:80/tcp", "192.0.2.10/tcp"),
    ("192.0.2.10:80/tcp", "2001:db8::10:80/tcp"),
    ("192.0.2.10:80/tcp", "example.org:80/tcp"),
    ("192.0.2.10:80/tcp", "example.org"),
    ("192.0.2.10:80/tcp", "192.0.2.10:0/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.10:65536/tcp"),
    ("192.0.2.10:80/tcp", "0.0.0.0:80/tcp"),
    ("192.0.2.10:80/tcp", "[::1]:80/tcp"),
    ("192.0.2.10:80/tcp", "224.0.0.1:80/udp"),
    ("192.0.2.10:80/tcp", "255.255.255.255:80/udp"),
    ("192.0.2.10:80/tcp", "[::ffff:192.0.2.10]:80/tcp"),
    ("192.0.2.10:80/tcp", "[fe80::1]:80/tcp"),
    (
        "\"192.0.2.10:80/tcp\"",
        "\"192.0.2.10:80/tcp\", \"192.0.2.10:80/tcp\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service]]\nname = \"db\"\nlisten = [\"192.0.2.10:80/tcp\"]\n\
         backend = [{ name = \"db-1\", address = \"10.0.1.11\" }]",
    ),
    // Backends.
    ("address = \"10.0.1.11\"", "address = \"10.0.1.11:80\""),
    ("address = \"10.0.1.11\"", "address = \"127.0.0.1\""),
    ("address = \"10.0.1.11\"", "address = \"::\""),
    ("address = \"10.0.1.11\"", "address = \"2001:db8::11\""),
    ("192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp"),
    ("address = \"10.0.1.11\"", "address = \"192.0.2.10\""),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = 300",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = -1",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nbackup = true",
    ),
    (
        "[[service.backend]]\nname = \"web-1\"\naddress = \"10.0.1.11\"",
        "",
    ),
    ("[[interface]]\nname = \"eth0\"", ""),
    ("[[interface]]\nname = \"eth0\"", "interface = []"),
    // Words.
    ("name = \"eth0\"", "name = \"eth0\"\nxdp = \"driver\""),
    ("# here", "scheduler = \"maglev\""),
    ("# here", "forward = \"nat\""),
    ("# here", "on_down = \"drop\""),
    ("# here", "backups = 1"),
    ("# here", "failback = \"Auto\""),
    ("type = \"tcp\"", "type = \"ping\""),
    // Times and numbers.
    ("# here", "udp_idle = \"0s\""),
    ("# here", "udp_idle = \"30\""),
    ("# here", "failback_delay = \"2days\""),
    ("type = \"tcp\"", "type = \"tcp\", interval = \"0ms\""),
    ("type = \"tcp\"", "type = \"tcp\", interval = \"soon\""),
    (
        "type = \"tcp\"",
        "type = \"tcp\", interval = \"1s\", timeout = \"2s\"",
    ),
    (
        "type = \"tcp\"",
        "type = \"tcp\", interval = \"5\", timeout = \"3s\"",
    ),
    ("type = \"tcp\"", "type = \"tcp\", fast_interval = \"3s\""),
    ("type = \"tcp\"", "type = \"tcp\", rise = 0"),
    ("type = \"tcp\"", "type = \"tcp\", port = 0"),
    ("type = \"tcp\"", "type = \"tcp\", path = \"/healthz\""),
    ("type = \"tcp\"", "type = \"http\", path = \"healthz\""),
    ("type = \"tcp\"", "type = \"http\", path = \"/a b\""),
    ("type = \"tcp\"", "type = \"http\", host = \"a b\""),
    ("type = \"tcp\"", "type = \"http\", status = \"2xx\""),
    (
        "type = \"tcp\"",
        "type = \"http\", status = [200, \"399-300\"]",
    ),
    ("type = \"tcp\"", "type = \"http\", status = 20"),
    ("# here", "[agent]\nflows = 10"),
    ("# here", "[agent]\nflows = 99999999999999999999"),
    ("# here", "[agent]\napi = \"lb.sock\""),
    ("# here", "[agent]\nmetrics = \":9100\""),
    ("# here", "[agent]\nmetrics = \"127.0.0.1:0\""),
    ("# here", "[agent]\npacket_log = \"on\""),
    // Not TOML.
    ("name = \"eth0\"", "name = eth0"),
    ("# here", "\tscheduler \"round-robin\""),
    ("# here", "name = \"web\""),
    ("[[interface]]", "[[interface"),
    ("# here", "tcp_idle = \"1h"),
];

#[test]
fn the_example_is_read() {
    let config = Config::parse(EXAMPLE, "lb.toml").unwrap();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn everything_else_has_a_default() {
    let config = Config::parse(LEAST, "lb.toml").unwrap();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn every_mistake_names_its_mend() {
    let mut story = String::new();
    for (right, wrong) in MISTAKES {
        assert!(LEAST.contains(right), "{right} is not there to be replaced");
        let text = LEAST.replacen(right, wrong, 1);
        let errors = Config::parse(&text, "lb.toml").expect_err(wrong);
        writeln!(story, "{wrong}").unwrap();
        for line in errors.to_string().lines() {
            writeln!(story, "    {line}").unwrap();
        }
    }
    insta::assert_snapshot!(story);
}

#[test]
fn all_mistakes_are_found_at_once() {
    let text = LEAST
        .replace("eth0", "eth/0")
        .replace("# here", "on_down = \"drop\"\nudp_idle = \"0s\"")
        .replace("10.0.1.11\"", "10.0.1.11\"\nweight = 300\nbakup = true");
    let errors = Config::parse(&text, "lb.toml").unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| error.line.unwrap_or(0)).collect();
    assert_eq!(lines, [3, 9, 10, 15, 16], "{errors}");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let missing = Config::load(Path::new("/nowhere/lb.toml")).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "/nowhere/lb.toml: cannot be read: No such file or directory (os error 2); \
         create it, or name another with --config FILE"
    );
    let folder = Config::load(Path::new("/")).unwrap_err();
    assert_eq!(
        folder.to_string(),
        "/: cannot be read: Is a directory (os error 21); name a readable file with --config FILE"
    );
}

#[test]
fn a_service_of_both_families_takes_backends_of_either() {
    let both = "192.0.2.10:80/tcp\", \"[2001:db8::10]:80/tcp";
    let text = LEAST.replace("192.0.2.10:80/tcp", both);
    Config::parse(&text, "lb.toml").unwrap();
    Config::parse(&text.replace("10.0.1.11", "2001:db8::11"), "lb.toml").unwrap();
}

#[test]
fn sizes_are_bounded() {
    let service = |number: usize| {
        format!(
            "[[service]]\nname = \"s{number}\"\nlisten = [\"192.0.2.10:{}/tcp\"]\n\
             backend = [{{ name = \"b\", address = \"10.0.1.11\" }}]\n",
            number + 1
        )
    };
    let file = |services: usize| {
        let services: String = (0..services).map(service).collect();
        format!("[[interface]]\nname = \"eth0\"\n{services}")
    };
    assert!(Config::parse(&file(4095), "lb.toml").is_ok());
    let errors = Config::parse(&file(4096), "lb.toml").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "lb.toml:16383: service[s4095]: the file has 4096 services, 4095 are possible; split them over two balancers"
    );

    let backends = |count: usize| {
        let backend = |number| {
            format!("[[service.backend]]\nname = \"b{number}\"\naddress = \"10.0.1.11\"\n")
        };
        LEAST.to_owned() + &(1..count).map(backend).collect::<String>()
    };
    assert!(Config::parse(&backends(16_384), "lb.toml").is_ok());
    let errors = Config::parse(&backends(16_385), "lb.toml").unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("the file has 16385 backends, 16384 are possible"),
        "{errors}"
    );
}

#[test]
fn listeners_are_read_as_they_are_written() {
    for text in ["192.0.2.10:80/tcp", "[2001:db8::10]:53/udp"] {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let _ = Config::parse(&text, "lb.toml").map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_change_of_the_example_is_too_strange(
        at in 0..EXAMPLE.len(),
        cut in 0..40_usize,
        put in r#"(\PC|[\[\]{}="'.,#\n\r\t0-9-])*"#,
    ) {
        let end = (at + cut).min(EXAMPLE.len());
        let text = format!("{}{put}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        if let Err(errors) = Config::parse(&text, "lb.toml") {
            let lines = text.lines().count().max(1) + 1;
            prop_assert!(errors.iter().count() > 0);
            prop_assert!(errors.iter().all(|error| error.line.is_none_or(|line| (1..=lines).contains(&line))));
            prop_assert!(errors.iter().all(|error| !error.mend.is_empty()));
            let _ = errors.to_string();
        }
    }
}
