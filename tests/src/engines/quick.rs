//! Both engines for many millions of frames: only verdict and bytes are compared each time, the tables now and then.

use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use lb_common::{Map, memory::Memory as _};
use lb_ebpf::{testing::HostPacket, verdict::Verdict};

use lb_agent::dataplane::Dataplane as _;

use super::{INGRESS, World};

/// What became of a frame in both engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Became {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: lb_common::Reason,
    /// The frame as it left.
    pub frame: Vec<u8>,
}

impl World {
    /// Takes a frame through both engines. `None` where the kernel's clock moved meanwhile: then they may rightly differ,
    /// and [`World::align`] must follow.
    ///
    /// # Errors
    /// Where they disagree in verdict or bytes, or the kernel takes no such frame.
    pub fn run_quick(&self, frame: &[u8]) -> Result<Option<Became>> {
        let now = self.kernel.now()?;
        self.host.now.set(now);
        let mut packet = HostPacket {
            bytes: frame.to_vec(),
            ingress: INGRESS,
        };
        let outcome = self.host.run(&mut packet);
        let (action, out) = self.kernel.forward(frame)?;
        // XDP actions of linux/bpf.h.
        let expected = match outcome.verdict {
            Verdict::Drop => 1,
            Verdict::Pass => 2,
            Verdict::Tx => 3,
            Verdict::Redirect(_) => 4,
        };
        if action == expected && out == packet.bytes {
            return Ok(Some(Became {
                verdict: outcome.verdict,
                reason: outcome.reason,
                frame: out,
            }));
        }
        if self.kernel.now()? != now {
            return Ok(None);
        }
        bail!(
            "host {:?} ({:?}), kernel XDP action {action}\nframe  {frame:02x?}\nhost   {:02x?}\nkernel {out:02x?}",
            outcome.verdict,
            outcome.reason,
            packet.bytes
        );
    }

    /// Gives the host's tables what the kernel's hold: ticks differ between the two by what passed in between.
    ///
    /// # Errors
    /// Where they differ in more.
    pub fn compare_and_align(&self) -> Result<()> {
        self.compare_tables()?;
        self.align();
        Ok(())
    }

    /// The same without a comparison.
    pub fn align(&self) {
        for map in Map::ALL {
            let words = self.host.memory.words(map).iter();
            for (to, from) in words.zip(self.kernel.words(map)) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }
}
