//! The commands of docs/tunnels.md, taken from the page itself and run on a backend: so they are what users are told.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use lb_tests::lab::Lab;

const PAGE: &str = include_str!("../../../../docs/tunnels.md");

/// Has `node` take packets out of tunnels of `lb` with its kernel.
pub fn take_out(lab: &Lab, node: &str) -> Result<()> {
    // What the page has to undo: as strict as a distribution may be.
    run(lab, node, "sysctl -w net.ipv4.conf.all.rp_filter=1")?;
    run(lab, node, "sysctl -w net.ipv4.conf.default.rp_filter=1")?;
    let own = lab.addresses(node)?;
    let names = [
        ("fd00:1::11", own.v6.to_string()),
        ("10.0.1.11", own.v4.to_string()),
        // The balancer on the network of its router, from where it reaches the backends.
        ("fd00::1", "fd77:101::1".to_owned()),
        ("10.0.0.1", "10.77.101.1".to_owned()),
    ];
    for command in commands("### With the kernel") {
        let command = names.iter().fold(command, |command, (on_the_page, here)| {
            command.replace(on_the_page, here)
        });
        run(lab, node, &command)?;
    }
    Ok(())
}

/// Has `node` hold these VIPs.
pub fn hold_vips(lab: &Lab, node: &str, vips: &[IpAddr]) -> Result<()> {
    for command in commands("## The VIP and rp_filter") {
        for vip in vips {
            let on_the_page = if vip.is_ipv4() {
                "192.0.2.10"
            } else {
                "2001:db8::10"
            };
            if command.contains(on_the_page) {
                run(lab, node, &command.replace(on_the_page, &vip.to_string()))?;
            }
        }
    }
    Ok(())
}

/// The commands of a section: the lines of its blocks, and what its tables have between backquotes.
fn commands(heading: &str) -> Vec<String> {
    let section = PAGE
        .split_once(&format!("\n{heading}\n"))
        .map_or("", |(_, rest)| rest.split("\n#").next().unwrap_or_default());
    let mut in_block = false;
    let mut commands = Vec::new();
    for line in section.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            commands.push(line.to_owned());
        } else if line.starts_with('|') {
            let quoted = line.split('`').skip(1).step_by(2).map(str::to_owned);
            commands.extend(quoted.filter(|quoted| quoted.contains(' ')));
        }
    }
    commands
}

fn run(lab: &Lab, node: &str, command: &str) -> Result<()> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = lab.command(node, program, words).output()?;
    ensure!(
        output.status.success(),
        "`{command}` on {node}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_command_for_every_tunnel() {
        let commands = commands("### With the kernel");
        for beginning in [
            "ip link add lb44 type ipip ",
            "ip link add lb64 type sit ",
            "modprobe fou",
            "ip fou add port 6080 gue",
            "ip -6 fou add port 6080 gue",
            "sysctl -w net.ipv4.conf.lb44.rp_filter=0",
        ] {
            let found = commands
                .iter()
                .any(|command| command.starts_with(beginning));
            assert!(found, "no `{beginning}` among {commands:#?}");
        }
        assert!(!commands.iter().any(|command| command.contains("ipproto")));
    }

    #[test]
    fn the_page_says_how_to_hold_a_vip_of_either_family() {
        let commands = commands("## The VIP and rp_filter");
        for command in [
            "ip addr add 192.0.2.10/32 dev lo",
            "ip addr add 2001:db8::10/128 dev lo",
        ] {
            assert!(
                commands.iter().any(|found| found == command),
                "{commands:#?}"
            );
        }
    }
}
