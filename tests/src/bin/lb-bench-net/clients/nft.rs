//! nftables as a balancer.

use std::fs;

use anyhow::{Context as _, Result};
use lb_tests::lab::Lab;

/// Has the balancer's kernel give new connections to port 80 of a service address to these backends in turn: the rule of
/// nftables' own page on load balancing.
pub fn balance(lab: &Lab, [first, second]: [&str; 2]) -> Result<()> {
    let rules = format!(
        "table ip balance {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        ip daddr 192.0.2.0/24 tcp dport 80 dnat to numgen inc mod 2 map {{ 0 : {first}, 1 : {second} }}
    }}
}}
"
    );
    let path = lab.run_dir().join("balance.nft");
    fs::write(&path, rules).with_context(|| format!("writing {}", path.display()))?;
    lab.run("lb", "nft", ["-f".as_ref(), path.as_os_str()])?;
    // A benchmark makes more connections in two minutes, which is the kernel's own setting, than the table holds.
    lab.run(
        "lb",
        "sysctl",
        [
            "-qw",
            "net.netfilter.nf_conntrack_tcp_timeout_time_wait=5",
            "net.netfilter.nf_conntrack_tcp_timeout_close=5",
        ],
    )?;
    Ok(())
}
