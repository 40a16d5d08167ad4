//! What a file says, and what is said of a wrong one.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

mod bounds;
mod mistakes;

use mistakes::MISTAKES;

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

/// What the other two leave out.
const EVERYTHING: &str = r#"
[agent]
seed = "twins"
nat_ports = "1024-32767"

[[interface]]
name = "eth0"

[[service]]
name = "web"
listen = ["192.0.2.10:8000-8099/tcp", "[2001:db8::/64]:*/tcp"]
forward = "nat"
nat_source = ["10.0.1.1", "2001:db8:1::1"]
reply = "route"
mtu = 1400
mss = "auto"
echo = false
scheduler = "random-2"
sticky = "5m"
prefix_ipv4 = 24
prefix_ipv6 = 64
allow = ["198.51.100.0/24", "2001:db8:7::/48"]
deny = ["198.51.100.7"]
tcp_opening = "30s"
tcp_closing = "1m"
tcp_closed = "5s"
backend = [{ name = "v4", address = "10.0.1.11:8080" }, { name = "v6", address = "[2001:db8:1::11]:8080" }]

[[service]]
name = "dns"
listen = ["192.0.2.0/28:53/udp"]
forward = "gue"
tunnel_source = ["10.0.1.1", "2001:db8:1::1"]
tunnel_hops = 9
gue_port = 6081
gue_variant = 0
mss = 1200
one_packet = true
scheduler = "source-hash"
backend = [{ name = "b", address = "10.0.1.11" }]
"#;

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
fn listeners_are_read_as_they_are_written() {
    for text in [
        "192.0.2.10:80/tcp",
        "[2001:db8::10]:53/udp",
        "192.0.2.10:8000-8099/tcp",
        "192.0.2.10:*/udp",
        "192.0.2.0/28:80/tcp",
        "[2001:db8::/64]:443/udp",
        "[2001:db8::/64]:*/udp",
    ] {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
    }
    for (text, shorter) in [
        ("192.0.2.10/32:80-80/tcp", "192.0.2.10:80/tcp"),
        ("[2001:db8:0::10/128]:1-65535/udp", "[2001:db8::10]:*/udp"),
    ] {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), shorter);
    }
}

#[test]
fn a_listener_is_a_single_destination_or_none() {
    let read = |text: &str| text.parse::<Listen>().unwrap();
    let single = |text| read(text).single().map(|place| place.to_string());
    assert_eq!(
        single("192.0.2.10:80/tcp").as_deref(),
        Some("192.0.2.10:80")
    );
    assert_eq!(
        single("[2001:db8::10]:80/tcp").as_deref(),
        Some("[2001:db8::10]:80")
    );
    assert_eq!(single("192.0.2.10:80-81/tcp"), None);
    assert_eq!(single("192.0.2.10:*/tcp"), None);
    assert_eq!(single("192.0.2.10/31:80/tcp"), None);
    assert_eq!(read("192.0.2.10:80-81/tcp").first_port(), 80);
}

#[test]
fn listeners_of_different_networks_or_protocols_may_have_ports_in_common() {
    let listen = "192.0.2.10:80/tcp\", \"192.0.2.10:*/udp\", \"192.0.2.10:81-90/tcp\", \"192.0.2.10:1-79/tcp\", \
                  \"192.0.2.0/28:*/tcp\", \"192.0.2.0/24:80/tcp\", \"[2001:db8::/64]:80/tcp";
    let text = LEAST.replace("192.0.2.10:80/tcp", listen);
    let config = Config::parse(&text, "lb.toml").unwrap();
    assert_eq!(config.services[0].listen.len(), 7);
}

#[test]
fn a_probe_asks_its_own_port_or_the_backends_or_the_first_listeners() {
    let ports = |text: &str| {
        let config = Config::parse(text, "lb.toml").unwrap();
        let service = config.services[0].clone();
        let probe = service.probe.clone().unwrap();
        let port_of = |backend| probe.port_of(backend, &service);
        service.backends.iter().map(port_of).collect::<Vec<_>>()
    };
    let two = LEAST.replace("# here", "forward = \"nat\"")
        + "[[service.backend]]\nname = \"web-2\"\naddress = \"[2001:db8::12]:8080\"\n";
    assert_eq!(ports(&two), [80, 8080]);
    assert_eq!(ports(&two.replace("10:80/tcp", "10:70-90/tcp")), [70, 8080]);
    let probed = "type = \"tcp\", port = 9000";
    assert_eq!(ports(&two.replace("type = \"tcp\"", probed)), [9000, 9000]);
    // Any port is nothing to ask, but every backend here has one of its own.
    let any = two.replace("192.0.2.10:80/tcp", "192.0.2.10:*/tcp");
    assert_eq!(ports(&any.replace("10.0.1.11", "10.0.1.11:81")), [81, 8080]);
    assert_eq!(ports(&any.replace("type = \"tcp\"", probed)), [9000, 9000]);
}

#[test]
fn translated_and_tunnelled_backends_are_of_any_family() {
    for forward in ["nat", "ipip", "gue"] {
        let text = LEAST
            .replace("# here", &format!("forward = \"{forward}\""))
            .replace("10.0.1.11", "2001:db8::11");
        Config::parse(&text, "lb.toml").unwrap();
    }
}

#[test]
fn every_key_is_read() {
    let config = Config::parse(EVERYTHING, "lb.toml").unwrap();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn a_wrong_word_hides_no_mistake_and_makes_none() {
    let wrong = "forward = \"fullnat\"\nnat_source = \"any\"\ntunnel_hops = 64\nscheduler = \"wrr\"\nprefix_ipv4 = 24";
    let errors = Config::parse(&LEAST.replace("# here", wrong), "lb.toml").unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| error.line.unwrap_or(0)).collect();
    assert_eq!(lines, [9, 10, 12], "{errors}");
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let _ = Config::parse(&text, "lb.toml").map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_change_of_the_examples_is_too_strange(
        example in prop_oneof![Just(EXAMPLE), Just(EVERYTHING)],
        at in any::<prop::sample::Index>(),
        cut in 0..40_usize,
        put in r#"(\PC|[\[\]{}="'.,#\n\r\t0-9-])*"#,
    ) {
        let at = at.index(example.len());
        let end = (at + cut).min(example.len());
        let text = format!("{}{put}{}", &example[..at], &example[end..]);
        if let Err(errors) = Config::parse(&text, "lb.toml") {
            let lines = text.lines().count().max(1) + 1;
            prop_assert!(errors.iter().count() > 0);
            prop_assert!(errors.iter().all(|error| error.line.is_none_or(|line| (1..=lines).contains(&line))));
            prop_assert!(errors.iter().all(|error| !error.mend.is_empty()));
            let _ = errors.to_string();
        }
    }
}
