//! The maps in the agent's own memory: for tests of everything above them. Can fail on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Result, bail};
use lb_common::{
    Event, Explained, Map, Reason,
    memory::{HostMemory, Memory},
};

use super::{BackendCount, Dataplane, DryRun};
use crate::api::model::Count;

/// A data path without packets.
#[derive(Default)]
pub struct Fake {
    memory: HostMemory,
    /// What was asked of it beside reads and writes, in order.
    pub calls: Mutex<Vec<String>>,
    /// Whether everything that can fail does.
    pub fails: AtomicBool,
}

impl Fake {
    fn called(&self, call: String) -> Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            bail!("the fake was told to fail: {call}");
        }
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(call);
        }
        Ok(())
    }
}

impl Memory for Fake {
    fn words(&self, map: Map) -> &[AtomicU64] {
        self.memory.words(map)
    }
}

impl Dataplane for Fake {
    fn grace(&self) -> Result<()> {
        self.called("grace".into())
    }

    fn counts(&self, _service: u32) -> Result<BTreeMap<Reason, Count>> {
        Ok(BTreeMap::new())
    }

    fn backend_count(&self, _backend: u16) -> Result<BackendCount> {
        Ok(BackendCount::default())
    }

    fn events(&self) -> Result<BTreeMap<Event, u64>> {
        Ok(BTreeMap::new())
    }

    fn forget_service(&self, service: u32) -> Result<()> {
        self.called(format!("forget service {service}"))
    }

    fn forget_backend(&self, backend: u16) -> Result<()> {
        self.called(format!("forget backend {backend}"))
    }

    fn dry_run(&self, _frame: &[u8]) -> Result<DryRun> {
        self.called("dry run".into())?;
        Ok(DryRun {
            action: 0,
            explained: Explained::default(),
        })
    }
}
