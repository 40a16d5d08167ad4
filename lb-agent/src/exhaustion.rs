//! Tells when translated flows of a service find no free port: once, until that has not happened for a while.

use std::collections::BTreeMap;

use anyhow::Result;
use lb_common::{Event, Reason};

use crate::{dataplane::Dataplane, reconcile::target::ServiceView};

/// Milliseconds without a flow that found no port, after which the next one is told of again.
const QUIET_MS: u64 = 60_000;

/// What is known of services that run out of ports.
#[derive(Debug, Default)]
pub struct Exhaustion {
    /// Flows that found no port, of all services; none before the first look.
    total: Option<u64>,
    /// The same by service.
    refused: BTreeMap<String, u64>,
    /// When that was last seen of a service.
    last_ms: BTreeMap<String, u64>,
}

impl Exhaustion {
    /// Looks at the counters, and tells the log.
    ///
    /// # Errors
    /// Where a map cannot be read.
    pub fn tell(
        &mut self,
        dataplane: &dyn Dataplane,
        views: &[ServiceView],
        now_ms: u64,
    ) -> Result<()> {
        let events = dataplane.events()?;
        let total = events.get(&Event::PortsExhausted).copied().unwrap_or(0);
        let of = |view: &ServiceView| -> Result<(String, u64)> {
            let counts = dataplane.counts(view.number)?;
            let reasons = [Reason::ResetNoPort, Reason::NoPort];
            let refused = reasons.iter().filter_map(|reason| counts.get(reason));
            Ok((view.name.clone(), refused.map(|count| count.packets).sum()))
        };
        let refused = || views.iter().map(of).collect();
        for service in self.look(now_ms, total, refused)? {
            tracing::warn!(
                "{service}: new flows find no free port and are refused: give it more addresses in `nat_source` or more `nat_ports`, or shorten `tcp_closed` or `udp_idle`; this is told again only after a minute without"
            );
        }
        Ok(())
    }

    /// Names the services of which it is to be told now. `total` are the flows that have found no port so far; `refused`
    /// gives them by service, and is only asked where there are more than before.
    ///
    /// # Errors
    /// Those of `refused`.
    fn look(
        &mut self,
        now_ms: u64,
        total: u64,
        refused: impl FnOnce() -> Result<BTreeMap<String, u64>>,
    ) -> Result<Vec<String>> {
        self.last_ms
            .retain(|_, last| now_ms.saturating_sub(*last) < QUIET_MS);
        let before = self.total.replace(total);
        if before.unwrap_or(0) == total {
            return Ok(Vec::new());
        }
        let former = std::mem::replace(&mut self.refused, refused()?);
        // What an earlier agent saw is no news.
        if before.is_none() {
            return Ok(Vec::new());
        }
        let mut news = Vec::new();
        for (service, count) in &self.refused {
            let grown = *count > former.get(service).copied().unwrap_or(0);
            if grown && self.last_ms.insert(service.clone(), now_ms).is_none() {
                news.push(service.clone());
            }
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks when so many flows of each service have found no port.
    fn look(exhaustion: &mut Exhaustion, now_ms: u64, refused: [(&str, u64); 2]) -> Vec<String> {
        let total = refused.iter().map(|(_, count)| count).sum();
        let refused = refused.map(|(name, count)| (name.to_owned(), count)).into();
        exhaustion.look(now_ms, total, || Ok(refused)).unwrap()
    }

    #[test]
    fn each_service_is_told_of_once() {
        let mut exhaustion = Exhaustion::default();
        let mut at = |now_ms, web, dns| look(&mut exhaustion, now_ms, [("dns", dns), ("web", web)]);
        assert!(at(1000, 0, 0).is_empty());
        assert_eq!(at(2000, 3, 0), ["web"]);
        assert!(at(3000, 900, 0).is_empty());
        assert_eq!(at(4000, 901, 1), ["dns"]);
        assert!(at(5000, 901, 1).is_empty());
    }

    #[test]
    fn after_a_quiet_minute_it_is_news_again() {
        let mut exhaustion = Exhaustion::default();
        let mut at = |now_ms, web| look(&mut exhaustion, now_ms, [("dns", 0), ("web", web)]);
        assert!(at(0, 0).is_empty());
        assert_eq!(at(1000, 1), ["web"]);
        assert!(at(60_999, 2).is_empty());
        assert!(at(120_998, 3).is_empty());
        assert_eq!(at(180_998, 4), ["web"]);
    }

    #[test]
    fn what_was_before_the_agent_is_no_news() {
        let mut exhaustion = Exhaustion::default();
        let mut at = |now_ms, web| look(&mut exhaustion, now_ms, [("dns", 0), ("web", web)]);
        assert!(at(0, 7).is_empty());
        assert!(at(1000, 7).is_empty());
        assert_eq!(at(2000, 8), ["web"]);
    }

    #[test]
    fn services_are_not_asked_where_nothing_happens() {
        let mut exhaustion = Exhaustion::default();
        for now_ms in [0, 1000] {
            let asked = || anyhow::bail!("asked in vain");
            assert!(exhaustion.look(now_ms, 0, asked).unwrap().is_empty());
        }
    }
}
