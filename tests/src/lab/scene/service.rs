//! A `[[service]]` table as an operator would write it.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use anyhow::Result;

use crate::lab::Lab;

/// A service; its backends are nodes of the lab.
#[derive(Clone, Debug)]
pub struct Service {
    name: String,
    listen: Vec<String>,
    lines: Vec<String>,
    /// The port of every backend, if it has one of its own.
    port: Option<u16>,
    backends: Vec<Backend>,
}

#[derive(Clone, Debug)]
struct Backend {
    number: u8,
    node: u8,
    over_v6: bool,
    line: String,
}

/// Quick enough to wait for, slow enough not to take a busy server for a dead one.
pub const PROBE: &str = "probe = { type = \"http\", port = 80, path = \"/healthz\", interval = \"300ms\", \
    fast_interval = \"100ms\", timeout = \"250ms\", rise = 2, fall = 3 }";

/// The service `web` on port 80 of both its addresses, probed by [`PROBE`], still without backends.
pub fn web() -> Service {
    Service::new("web", &["192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp"]).with(PROBE)
}

impl Service {
    /// A service without probe and backends.
    pub fn new(name: &str, listen: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            listen: listen.iter().map(|listen| (*listen).to_owned()).collect(),
            lines: Vec::new(),
            port: None,
            backends: Vec::new(),
        }
    }

    /// Under another name, with the same backends under the names that follow from it.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name = name.to_owned();
        Self { name, ..self }
    }

    /// With another line of TOML, which takes the place of an earlier one for the same key.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        self.lines.retain(|earlier| key(earlier) != key(line));
        self.lines.push(line.to_owned());
        self
    }

    /// With backends that listen on another port than the service.
    #[must_use]
    pub fn to_port(self, port: u16) -> Self {
        let port = Some(port);
        Self { port, ..self }
    }

    /// Its name, if it is probed.
    pub(super) fn probed(&self) -> Option<String> {
        let probed = self.lines.iter().any(|line| line.starts_with("probe"));
        probed.then(|| self.name.clone())
    }

    /// With no line for `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.lines
            .retain(|line| line.split(' ').next() != Some(key));
        self
    }

    /// With the backend `NAME-N` on node `beN`, at its IPv4 address; `line` is more TOML for it.
    #[must_use]
    pub fn backend(self, number: u8, line: &str) -> Self {
        self.add(number, number, false, line)
    }

    /// As [`Service::backend`], but on another node.
    #[must_use]
    pub fn backend_on(self, node: u8, number: u8, line: &str) -> Self {
        self.add(number, node, false, line)
    }

    /// As [`Service::backend`], at its IPv6 address.
    #[must_use]
    pub fn backend_v6(self, number: u8, line: &str) -> Self {
        self.add(number, number, true, line)
    }

    fn add(mut self, number: u8, node: u8, over_v6: bool, line: &str) -> Self {
        self.backends.push(Backend {
            number,
            node,
            over_v6,
            line: line.to_owned(),
        });
        self
    }

    fn toml(&self, lab: &Lab, text: &mut String) -> Result<()> {
        writeln!(text, "[[service]]\nname = \"{}\"", self.name)?;
        writeln!(text, "listen = {:?}", self.listen)?;
        writeln!(text, "scheduler = \"round-robin\"")?;
        if !self.lines.iter().any(|line| line.starts_with("forward ")) {
            writeln!(text, "forward = \"dsr\"")?;
        }
        for line in &self.lines {
            writeln!(text, "{line}")?;
        }
        for Backend {
            number,
            node,
            over_v6,
            line,
        } in &self.backends
        {
            let addresses = lab.addresses(&format!("be{node}"))?;
            let ip = if *over_v6 {
                IpAddr::from(addresses.v6)
            } else {
                IpAddr::from(addresses.v4)
            };
            let address = match self.port {
                Some(port) => SocketAddr::new(ip, port).to_string(),
                None => ip.to_string(),
            };
            writeln!(
                text,
                "[[service.backend]]\nname = \"{}-{number}\"",
                self.name
            )?;
            writeln!(text, "address = \"{address}\"\n{line}")?;
        }
        writeln!(text)?;
        Ok(())
    }
}

/// The tables of these services.
pub(super) fn toml(lab: &Lab, services: &[Service]) -> Result<String> {
    let mut text = String::new();
    for service in services {
        service.toml(lab, &mut text)?;
    }
    Ok(text)
}
