//! The ports this host takes for connections of its own.

use std::{fs, ops::RangeInclusive};

/// Ports the kernel gives to connections of this host, in the network namespace of the calling thread; none where
/// the kernel does not say.
pub fn local_ports() -> Option<RangeInclusive<u16>> {
    // Read on this thread: each reader of /proc/sys/net sees its own namespace.
    parse(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
}

/// Two decimal numbers, first and last, with blanks between.
fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_ascii_whitespace();
    let first = numbers.next()?.parse().ok()?;
    let last = numbers.next()?.parse().ok()?;
    (first <= last && numbers.next().is_none()).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers() {
        assert_eq!(parse("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(parse("1024 1024"), Some(1024..=1024));
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "32768", "2 1", "1 2 3", "1 65536", "-1 5", "a b"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn this_host_has_a_range() {
        assert!(local_ports().is_some());
    }
}
