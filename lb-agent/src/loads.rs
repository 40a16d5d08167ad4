//! Counting flows for the schedulers that ask how many each backend has.
//!
//! The packet path counts where flows begin and where it sees them end. One that falls silent ends unseen, so the flow
//! table is counted now and then, and what the difference is off by is stored beside it.

use std::{mem::offset_of, sync::atomic::Ordering};

use anyhow::Result;
use lb_common::{Load, Map, memory::read};

use crate::{
    config::{Config, Scheduler},
    dataplane::Dataplane,
    observed::live,
};

/// Counts, where a service asks.
///
/// # Errors
/// Where the packet path's clock cannot be read.
pub fn correct(dataplane: &dyn Dataplane, config: &Config) -> Result<()> {
    let asks = |scheduler| matches!(scheduler, Scheduler::LeastConnections | Scheduler::Random2);
    if !config
        .services
        .iter()
        .any(|service| asks(service.scheduler))
    {
        return Ok(());
    }
    let words = dataplane.words(Map::Loads);
    let live = live(dataplane, dataplane.now()?);
    for number in 0..lb_common::maps::MAX_BACKENDS {
        let Some(load) = read::<Load>(words, number) else {
            break;
        };
        let counted = u16::try_from(number)
            .ok()
            .and_then(|number| live.ongoing.get(&number).copied())
            .unwrap_or(0);
        if load == Load::default() && counted == 0 {
            continue;
        }
        let correction = counted.wrapping_sub(load.begun.wrapping_sub(load.ended));
        let word = number as usize * (size_of::<Load>() / 8) + offset_of!(Load, correction) / 8;
        if let Some(word) = words.get(word) {
            word.store(correction, Ordering::Relaxed);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::fake::Fake;
    use lb_common::memory::{Memory as _, write};

    #[test]
    fn flows_that_ended_unseen_are_made_good() {
        let text = "[[interface]]\nname = \"lo\"\n[[service]]\nname = \"web\"\nlisten = [\"192.0.2.10:80/tcp\"]\n\
                    scheduler = \"least-connections\"\n[[service.backend]]\nname = \"a\"\naddress = \"10.0.1.11\"\n";
        let config = Config::parse(text, "test.toml").unwrap();
        let fake = Fake::default();
        let begun = Load {
            begun: 7,
            ended: 2,
            ..Load::default()
        };
        write(fake.words(Map::Loads), 3, &begun);
        assert_eq!(begun.flows(), 5);
        correct(&fake, &config).unwrap();
        let load: Load = read(fake.words(Map::Loads), 3).unwrap();
        assert_eq!(load.flows(), 0);
    }
}
