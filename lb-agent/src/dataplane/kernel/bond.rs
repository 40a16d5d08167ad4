//! Why a bond does not take a program into the drivers of its interfaces.

/// Modes that run no native program (Linux, `bond_xdp_check`): as /proc/net/bonding tells of them, and as they are set.
const GENERIC: [(&str, &str); 3] = [
    ("fault-tolerance (broadcast)", "broadcast"),
    ("transmit load balancing", "balance-tlb"),
    ("adaptive load balancing", "balance-alb"),
];

/// The reason in a sentence; none if `name` is no bond of this network namespace.
pub(super) fn refusal(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/thread-self/net/bonding/{name}")).ok()?;
    Some(reason(name, &text))
}

fn reason(name: &str, text: &str) -> String {
    let words = text
        .lines()
        .find_map(|line| line.strip_prefix("Bonding Mode: "));
    match GENERIC.iter().find(|(told, _)| Some(*told) == words) {
        Some((_, mode)) => format!(
            "{name} is a bond of mode {mode}, which cannot do native XDP: active-backup, 802.3ad, balance-xor and balance-rr can"
        ),
        None => format!(
            "an interface of the bond {name} cannot do native XDP, or the bond's xmit_hash_policy forbids it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Ethernet Channel Bonding Driver: v6.1.0\n\nBonding Mode: ";

    #[test]
    fn names_the_mode_as_it_is_set() {
        for (told, mode) in GENERIC {
            let said = reason("bond0", &format!("{HEAD}{told}\nMII Status: up\n"));
            let beginning = format!("bond0 is a bond of mode {mode}, which cannot");
            assert!(said.starts_with(&beginning), "{said}");
        }
    }

    #[test]
    fn of_a_mode_that_can_it_is_the_interfaces() {
        let said = reason("bond0", &format!("{HEAD}fault-tolerance (active-backup)\n"));
        assert!(said.starts_with("an interface of the bond bond0"), "{said}");
    }

    #[test]
    fn what_is_no_bond_has_no_reason() {
        assert_eq!(refusal("lo"), None);
    }
}
