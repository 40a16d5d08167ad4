//! Stories of translated flows, of ICMP about flows and of fragments. Each frame runs on the host and in the kernel,
//! as in `vectors.rs`; every frame that leaves is decoded, and its checksums must be right.

mod across;
mod connection;
mod dialogue;
mod fragments;
mod headers;
mod icmp;
mod once;
mod ports;
#[path = "../story/mod.rs"]
mod story;

use lb_agent::config::Config;
use lb_common::{Control, Map};
use story::Story;

const CLIENT: &str = "198.51.100.7:40000";
const CLIENT6: &str = "[2001:db8:c::7]:40000";
const WEB: &str = "192.0.2.10:80";
const WEB6: &str = "[2001:db8::10]:80";
const DNS: &str = "192.0.2.53:53";
const DNS6: &str = "[2001:db8::53]:53";

/// A service: its name, what it listens on, further keys, and backends by name and address, with further keys.
#[derive(Clone, Copy)]
struct Service<'a>(&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A story with these services.
fn story_of(services: &[Service<'_>], flows: u32) -> Story {
    story_with("", services, flows)
}

/// A story with these services and keys of `[agent]`.
fn story_with(agent: &str, services: &[Service<'_>], flows: u32) -> Story {
    let mut text = format!("[agent]\n{agent}\n[[interface]]\nname = \"lo\"\n");
    for Service(name, listen, keys, backends) in services {
        text += &format!("[[service]]\nname = \"{name}\"\nlisten = [{listen}]\n{keys}\n");
        for (name, address) in *backends {
            text += &format!("[[service.backend]]\nname = \"{name}\"\naddress = \"{address}\"\n");
        }
    }
    let config = Config::parse(&text, "story.toml").unwrap_or_else(|errors| panic!("{errors}"));
    let story = Story::of(&config, flows);
    // The same ports are drawn in every run.
    story
        .world
        .change::<Control>(Map::Control, 0, |control| control.flow_seed = 0x5eed);
    story
}

/// A web service over both families, whose backends listen on another port.
const WEB_SERVICE: Service<'_> = Service(
    "web",
    r#""192.0.2.10:80/tcp""#,
    "forward = \"nat\"\ntcp_idle = \"60s\"",
    &[("web-1", "10.0.1.11:8080"), ("web-2", "10.0.1.12:8080")],
);
/// The same for IPv6, on the same port.
const WEB6_SERVICE: Service<'_> = Service(
    "web6",
    r#""[2001:db8::10]:80/tcp""#,
    "forward = \"nat\"\ntcp_idle = \"60s\"",
    &[("web6-1", "2001:db8:1::11"), ("web6-2", "2001:db8:1::12")],
);
/// A name service, for each family its own backend.
const DNS_SERVICE: Service<'_> = Service(
    "dns",
    r#""192.0.2.53:53/udp""#,
    "forward = \"nat\"\nudp_idle = \"10s\"",
    &[("dns-1", "10.0.1.13")],
);
const DNS6_SERVICE: Service<'_> = Service(
    "dns6",
    r#""[2001:db8::53]:53/udp""#,
    "forward = \"nat\"\nudp_idle = \"10s\"",
    &[("dns6-1", "2001:db8:1::13")],
);
