//! `allow` and `deny` as bounds: the address space cut where what holds changes.

use std::net::IpAddr;

use anyhow::{Result, bail};
use ipnet::IpNet;
use lb_common::{Bound, address, admission::MAX_BOUNDS_OF_ONE};

use crate::config;

/// The bounds of a service; empty where everybody is let in.
///
/// # Errors
/// Where there are more than a search can tell apart.
pub fn bounds(service: &config::Service) -> Result<Vec<Bound>> {
    let rules: Vec<(IpNet, bool)> = service
        .allow
        .iter()
        .map(|net| (*net, true))
        .chain(service.deny.iter().map(|net| (*net, false)))
        .collect();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let bounds = pieces(rules, service.allow.is_empty());
    if bounds.len() > MAX_BOUNDS_OF_ONE as usize {
        bail!(
            "service {}: `allow` and `deny` make {} pieces of the address space, {MAX_BOUNDS_OF_ONE} are possible: use fewer prefixes",
            service.name,
            bounds.len()
        );
    }
    Ok(bounds)
}

/// The address space cut where what holds changes; `otherwise` is what holds outside all rules. Two prefixes are apart or
/// one lies within the other, so those around an address form a stack.
fn pieces(rules: Vec<(IpNet, bool)>, otherwise: bool) -> Vec<Bound> {
    let mut spans: Vec<(u128, u128, bool)> = rules
        .iter()
        .map(|(net, admits)| (number(net.network()), number(net.broadcast()), *admits))
        .collect();
    // Of those that begin at one address the widest first.
    spans.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
    let mut pieces = Pieces(vec![(0, otherwise)]);
    let mut around: Vec<(u128, bool)> = Vec::new();
    for (first, last, admits) in spans {
        while let Some((end, _)) = around.pop_if(|(end, _)| *end < first) {
            pieces.cut(end + 1, around.last().map_or(otherwise, |outer| outer.1));
        }
        pieces.cut(first, admits);
        around.push((last, admits));
    }
    while let Some((end, _)) = around.pop() {
        if let Some(after) = end.checked_add(1) {
            pieces.cut(after, around.last().map_or(otherwise, |outer| outer.1));
        }
    }
    pieces.0.dedup_by_key(|(_, admits)| *admits);
    let bound = |(from, admits): (u128, bool)| Bound {
        admits: u64::from(admits),
        from: [(from >> 64) as u64, from as u64],
    };
    pieces.0.into_iter().map(bound).collect()
}

struct Pieces(Vec<(u128, bool)>);

impl Pieces {
    /// From this address on this holds.
    fn cut(&mut self, from: u128, admits: bool) {
        match self.0.last_mut() {
            Some(last) if last.0 == from => last.1 = admits,
            _ => self.0.push((from, admits)),
        }
    }
}

/// The address as a number, IPv4 in its mapped form.
fn number(ip: IpAddr) -> u128 {
    let [high, low] = Bound::place(&address::from_ip(ip));
    u128::from(high) << 64 | u128::from(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the bounds say of an address, as the packet path searches them.
    fn admits(bounds: &[Bound], ip: IpAddr) -> bool {
        let place = Bound::place(&address::from_ip(ip));
        let deciding = bounds.iter().rfind(|bound| bound.from <= place);
        deciding.is_some_and(|bound| bound.admits == 1)
    }

    /// What the rules say, in their words: the most specific prefix decides.
    fn wanted(rules: &[(IpNet, bool)], otherwise: bool, ip: IpAddr) -> bool {
        let holding = rules.iter().filter(|(net, _)| net.contains(&ip));
        holding
            .max_by_key(|(net, _)| net.prefix_len())
            .map_or(otherwise, |(_, admits)| *admits)
    }

    fn rule() -> impl Strategy<Value = (IpNet, bool)> {
        // Few bits vary, so that prefixes lie in each other.
        let v4 = (0..16_u32, 24..=32_u8).prop_map(|(bits, len)| {
            let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 | bits << 4);
            IpNet::new(ip.into(), len).unwrap().trunc()
        });
        let v6 = (0..16_u128, 120..=128_u8).prop_map(|(bits, len)| {
            let ip = std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | bits << 4);
            IpNet::new(ip.into(), len).unwrap().trunc()
        });
        (prop_oneof![v4, v6], any::<bool>())
    }

    proptest! {
        #[test]
        fn bounds_say_what_the_rules_say(
            rules in prop::collection::vec(rule(), 1..20),
            otherwise in any::<bool>(),
            probes in prop::collection::vec(0..300_u32, 1..40),
        ) {
            let mut unique: std::collections::BTreeMap<IpNet, bool> = std::collections::BTreeMap::new();
            unique.extend(rules);
            let rules: Vec<_> = unique.into_iter().collect();
            let bounds = pieces(rules.clone(), otherwise);
            for probe in probes {
                let v4 = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 | probe));
                let v6 = IpAddr::V6(std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(probe)));
                for ip in [v4, v6] {
                    prop_assert_eq!(admits(&bounds, ip), wanted(&rules, otherwise, ip), "{}", ip);
                }
            }
        }
    }
}
