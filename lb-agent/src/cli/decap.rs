//! `lb decap`

use std::{collections::BTreeSet, fs, net::IpAddr, path::PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use ipnet::IpNet;
use lb_common::decap::{GUE_PORT, Reason};

use super::table;
use crate::{
    api::model::Changed,
    decap::{self, Status, Wanted},
};

/// What is asked for.
#[derive(Debug, Args)]
pub struct Decap {
    /// Interface that tunnel packets come by; may be repeated. Those named now replace those named before.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present_any = ["detach", "status"],
        conflicts_with_all = ["detach", "status"]
    )]
    interface: Vec<String>,
    /// UDP port of generic UDP encapsulation.
    #[arg(long, value_name = "PORT", default_value_t = GUE_PORT, conflicts_with_all = ["detach", "status"])]
    gue_port: u16,
    /// Outer source addresses that may send: a balancer's address, or a prefix; may be repeated. Without it everybody may.
    #[arg(long, value_name = "ADDRESS|PREFIX", value_parser = network, conflicts_with_all = ["detach", "status"])]
    from: Vec<IpNet>,
    /// Remove program and counters.
    #[arg(long, conflicts_with = "status")]
    detach: bool,
    /// Show what was counted.
    #[arg(long)]
    status: bool,
    /// Where program and counters are pinned.
    #[arg(long, default_value = "/sys/fs/bpf/lb-decap", value_name = "DIR")]
    pin_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Does what is asked for.
pub fn decap(asked: &Decap) -> Result<()> {
    if asked.detach {
        detach(asked)
    } else if asked.status {
        status(asked)
    } else {
        start(asked)
    }
}

fn start(asked: &Decap) -> Result<()> {
    let interfaces: BTreeSet<String> = asked.interface.iter().cloned().collect();
    let started = decap::start(&Wanted {
        pin_dir: &asked.pin_dir,
        interfaces: &interfaces,
        port: asked.gue_port,
        sources: &asked.from,
    })?;
    let placed = started.placed.iter();
    let placed = placed.map(|(name, how)| format!("takes packets out of tunnels on {name}: {how}"));
    let removed = started.removed.iter().map(|what| format!("removed {what}"));
    let changes: Vec<String> = placed.chain(removed).collect();
    if asked.from.is_empty() {
        eprintln!(
            "lb: warning: whoever reaches this host can send it packets in anybody's name: name the balancers with --from"
        );
    }
    if asked.json {
        return table::json(&Changed { changes });
    }
    for change in &changes {
        table::line(change)?;
    }
    table::line("")?;
    let strict = interfaces.iter().filter(|name| is_strict(name));
    let strict: Vec<&str> = strict.map(String::as_str).collect();
    Ok(table::line(&left_to_do(&strict))?)
}

fn detach(asked: &Decap) -> Result<()> {
    let changes = decap::stop(&asked.pin_dir)?;
    if asked.json {
        return table::json(&Changed { changes });
    }
    if changes.is_empty() {
        table::line(&nothing(asked))?;
    }
    for removed in &changes {
        table::line(&format!("removed {removed}"))?;
    }
    Ok(())
}

fn status(asked: &Decap) -> Result<()> {
    let status = decap::status(&asked.pin_dir)?;
    if asked.json {
        return table::json(&status);
    }
    let text = status.as_ref().map_or_else(|| nothing(asked), shown);
    Ok(table::line(&text)?)
}

fn nothing(asked: &Decap) -> String {
    format!("nothing is pinned in {}", asked.pin_dir.display())
}

fn shown(status: &Status) -> String {
    let from = if status.from.is_empty() {
        "everybody".into()
    } else {
        status.from.join(", ")
    };
    let head = format!(
        "interfaces  {}\nGUE port    {}\nfrom        {from}\n",
        status.interfaces.join(", "),
        status.gue_port
    );
    let rows = Reason::ALL.iter().map(|reason| {
        let count = status.counts.get(reason.label());
        let count = count.copied().unwrap_or_default();
        vec![
            reason.label().into(),
            count.packets.to_string(),
            count.bytes.to_string(),
            reason.help().into(),
        ]
    });
    let rows = table::text(&["REASON", "PACKETS", "BYTES", "MEANING"], rows.collect());
    format!("{head}\n{rows}")
}

/// What this host needs beside the program. `strict` are the interfaces whose reverse path filter is strict.
fn left_to_do(strict: &[&str]) -> String {
    let mut text = String::from(
        "For each VIP of the services this host is a backend of:\n  \
           ip addr add VIP/32 dev lo        # IPv6: VIP/128\n",
    );
    if !strict.is_empty() {
        text += "\nrp_filter is 1 (strict): IPv4 packets are lost whose client is routed by another interface than they come by.\n\
            Unless the route to the clients (mostly the default route) leaves by the same interface:\n";
        for name in strict {
            text += &format!("  sysctl -w net.ipv4.conf.{name}.rp_filter=2\n");
        }
    }
    text += "\narp_ignore and arp_announce: not needed where a router stands between VIP and backend, because nobody asks this\n\
        host's Ethernet segment for the VIP; needed, as for direct return, where the VIP is on this very segment.\n\
        \nMTU: the tunnel adds 20 bytes (over IPv4) or 40 (over IPv6), with GUE 8 or 12 more. Where the way from the balancer\n\
        takes only 1500, announce shorter segments to clients; 1380 fits every tunnel and both IP versions:\n  \
          ip route change default via GATEWAY dev INTERFACE advmss 1380        # IPv6: ip -6 route ...\n\
        \nAddresses, sysctls, routes and this program are gone after a reboot: docs/tunnels.md says how to keep them.";
    text
}

/// Whether the kernel drops IPv4 packets whose answer would leave by another interface: the greater of the two settings
/// counts (Documentation/networking/ip-sysctl.rst).
fn is_strict(interface: &str) -> bool {
    let read = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"));
        text.ok()?.trim().parse::<u8>().ok()
    };
    read("all").max(read(interface)) == Some(1)
}

fn network(text: &str) -> Result<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| anyhow!("write an address or a prefix, such as 10.0.0.1 or 10.0.0.0/24"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::model::Count;

    #[test]
    fn an_address_is_a_prefix_of_one() {
        for (text, network_of) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.0/24", "10.0.0.0/24"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), network_of);
        }
        for text in ["", "10.0.0", "10.0.0.0/33", "web"] {
            assert!(network(text).unwrap_err().to_string().contains("10.0.0.1"));
        }
    }

    #[test]
    fn rp_filter_is_spoken_of_where_it_is_strict() {
        assert!(!left_to_do(&[]).contains("rp_filter"));
        let text = left_to_do(&["eth0", "eth1"]);
        assert!(text.contains("net.ipv4.conf.eth0.rp_filter=2"));
        assert!(text.contains("net.ipv4.conf.eth1.rp_filter=2"));
    }

    #[test]
    fn status_shows_every_reason() {
        let count = Count {
            packets: 7,
            bytes: 700,
        };
        let status = Status {
            interfaces: vec!["eth0".into(), "eth1".into()],
            gue_port: 6080,
            from: Vec::new(),
            counts: BTreeMap::from([("gue", count)]),
        };
        let text = shown(&status);
        assert!(
            text.starts_with("interfaces  eth0, eth1\nGUE port    6080\nfrom        everybody\n")
        );
        for reason in Reason::ALL {
            assert!(text.contains(reason.help()), "{reason:?}");
        }
        let gue = text.lines().find(|line| line.starts_with("gue ")).unwrap();
        let words: Vec<_> = gue.split_whitespace().take(3).collect();
        assert_eq!(words, ["gue", "7", "700"]);
    }
}
