//! How a case is prepared and measured.

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use lb_common::Reason;
use lb_tests::frames::turned;

use super::{
    cases::{CLIENTS, Case, Counted, Program, Sender, Work},
    rig::{Key, Rig},
    stand::{Packets, Ran, Stand},
};

/// The stand and the tables of every case.
pub struct Bench {
    stand: Stand,
    rigs: Vec<(Key, Rig)>,
}

/// What one round of a case gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Nanoseconds per packet, the stand included.
    pub ns: f64,
    /// The same of the reference.
    pub reference_ns: Option<f64>,
    /// Open flows that were lost so far.
    pub lost: Option<u32>,
}

/// Seeds that are tried for a place for every flow.
const SEEDS: u64 = 64;
/// Actions of linux/bpf.h.
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;

impl Bench {
    /// Loads the stand, and the tables of these cases.
    ///
    /// # Errors
    /// Where the kernel refuses; this needs root.
    pub fn new(cases: &[Case]) -> Result<Self> {
        let mut rigs: Vec<(Key, Rig)> = Vec::new();
        for case in cases {
            if rigs.iter().all(|(key, _)| *key != case.rig) {
                let rig = Rig::new(&case.rig)
                    .with_context(|| format!("the tables of \"{}\"", case.rig.name))?;
                rigs.push((case.rig, rig));
            }
        }
        Ok(Self {
            stand: Stand::new()?,
            rigs,
        })
    }

    /// Opens the flows of a case, fills its table, and finds the frame that its answers have.
    ///
    /// # Errors
    /// Where a program could not be called.
    pub fn prepare(&mut self, case: &mut Case) -> Result<()> {
        let programs = self.programs(case)?;
        match &case.work {
            Work::Plain | Work::New => {}
            Work::Open(opening) => self.open(&programs, case, opening, &case.frame, case.flows)?,
            Work::Flood {
                open,
                opening,
                following,
            } => self.open(&programs, case, opening, following, *open)?,
            Work::Full => {
                for program in &programs {
                    let packets = packets(case, &case.frame, case.flows);
                    self.run(case, program, &packets, 4 * case.rig.room)?;
                }
            }
        }
        if case.sender == Sender::Backend {
            let (_, sent) = self.rig(case)?.world.kernel.forward(&case.frame)?;
            case.frame = turned(&sent, case.shape.is_v6);
        }
        Ok(())
    }

    /// Opens so many flows by a frame and lets another one follow, in lb and then in the reference.
    ///
    /// A table of buckets has no place for a few flows long before it is full, and which these are depends on the seed of
    /// their hash: another one is tried until each has its place. All other flows of the tables are forgotten.
    fn open(
        &mut self,
        programs: &[ProgramFd],
        case: &Case,
        opening: &[u8],
        following: &[u8],
        flows: u32,
    ) -> Result<()> {
        let mut seed = 0;
        let mut displaced = u64::MAX;
        while displaced > 0 {
            ensure!(
                seed < SEEDS,
                "{}: {displaced} of {flows} flows found no place",
                case.name
            );
            seed += 1;
            let rig = self.rig(case)?;
            if flows > 1 {
                rig.empty();
                rig.reseed(seed);
            }
            let before = rig.displaced()?;
            // The numbering visits every flow once in as many packets.
            self.pass(&programs[0], case, opening, flows)?;
            displaced = self.rig(case)?.displaced()? - before;
        }
        self.pass(&programs[0], case, following, flows)?;
        for reference in &programs[1..] {
            self.pass(reference, case, opening, flows)?;
        }
        Ok(())
    }

    /// Measures one round.
    ///
    /// # Errors
    /// Where a packet was not counted as the case says, or left by another action.
    pub fn measure(&mut self, case: &Case, repeat: u32) -> Result<Measured> {
        let mut programs = self.programs(case)?.into_iter();
        let lb = programs.next().context("no program")?;
        let repeat = match case.work {
            Work::New => repeat.min(case.rig.room / 2 / case.cpus),
            _ => repeat,
        };
        self.freshen(&lb, case)?;
        if case.work == Work::New {
            self.rig(case)?.empty();
        }
        let before = self.counted(case)?;
        let ns = self.timed(&lb, case, repeat)?;
        let counted = self.counted(case)? - before;
        let sent = u64::from(repeat) * u64::from(case.cpus);
        ensure!(
            case.counted == Counted::Not || counted == sent,
            "{}: {counted} of {sent} packets were counted {}",
            case.name,
            as_what(case.counted)
        );
        let reference_ns = match programs.next() {
            Some(reference) => Some(self.measure_reference(&reference, case, repeat)?),
            None => None,
        };
        Ok(Measured {
            ns,
            reference_ns,
            lost: self.lost(case)?,
        })
    }

    fn measure_reference(
        &mut self,
        reference: &ProgramFd,
        case: &Case,
        repeat: u32,
    ) -> Result<f64> {
        self.freshen(reference, case)?;
        let start = self.stand.bookmark()?;
        let before = self.rig(case)?.reference.counted()?;
        let ns = self.timed(reference, case, repeat)?;
        let counted = self.rig(case)?.reference.counted()? - before;
        let sent = u64::from(repeat) * u64::from(case.cpus);
        ensure!(
            counted == sent,
            "{}: the reference counted {counted} of {sent} packets",
            case.name
        );
        if case.work == Work::New {
            let forget = self.rig(case)?.reference.forget_fd()?;
            self.stand.go_back(start)?;
            self.timed(&forget, case, repeat)?;
        }
        Ok(ns)
    }

    /// Lets every open flow have a packet, so that none has been silent for long.
    fn freshen(&mut self, program: &ProgramFd, case: &Case) -> Result<()> {
        match &case.work {
            Work::Open(_) | Work::Plain if case.flows > 1 => {
                // The first packet tells the flow table that the flow lives, the second finds it there and has it at hand.
                self.pass(program, case, &case.frame, case.flows)?;
                self.pass(program, case, &case.frame, case.flows)
            }
            Work::Flood {
                open,
                opening,
                following,
            } => {
                // Of the flows that the last round's flood has cost their place, a packet would be answered with a reset.
                self.rig(case)?.empty();
                self.pass(program, case, opening, *open)?;
                self.pass(program, case, following, *open)
            }
            _ => Ok(()),
        }
    }

    /// Each flow once.
    fn pass(&mut self, program: &ProgramFd, case: &Case, frame: &[u8], flows: u32) -> Result<()> {
        self.run(case, program, &packets(case, frame, flows), flows)?;
        Ok(())
    }

    fn timed(&mut self, program: &ProgramFd, case: &Case, repeat: u32) -> Result<f64> {
        let packets = packets(case, &case.frame, case.flows);
        let ran = self.run(case, program, &packets, repeat)?;
        let wanted = if case.counted == Counted::As(Reason::NoService) {
            XDP_PASS
        } else {
            XDP_TX
        };
        ensure!(
            ran.actions.iter().all(|action| *action == wanted),
            "{}: XDP action {:?}, not {wanted}",
            case.name,
            ran.actions
        );
        Ok(ran.ns)
    }

    fn run(
        &mut self,
        case: &Case,
        program: &ProgramFd,
        packets: &Packets<'_>,
        repeat: u32,
    ) -> Result<Ran> {
        let ran = self.stand.run(program, packets, repeat);
        ran.with_context(|| format!("{}, {repeat} packets", case.name))
    }

    /// Open flows that a flood has cost their place.
    fn lost(&self, case: &Case) -> Result<Option<u32>> {
        let Work::Flood { open, .. } = case.work else {
            return Ok(None);
        };
        let left = self.rig(case)?.flows_from(CLIENTS);
        Ok(Some(open - left))
    }

    /// The program under test, and the reference where the case has one of its own.
    fn programs(&self, case: &Case) -> Result<Vec<ProgramFd>> {
        let rig = self.rig(case)?;
        let mut programs = vec![match case.program {
            Program::Empty => self.stand.own("lb_bench_null")?,
            Program::Room => self.stand.own("lb_bench_room")?,
            Program::Lb => rig.world.kernel.program_fd()?,
        }];
        if case.reference == Some(case.name) {
            programs.push(rig.reference.program_fd()?);
        }
        Ok(programs)
    }

    fn counted(&self, case: &Case) -> Result<u64> {
        match case.counted {
            Counted::Not => Ok(0),
            Counted::As(reason) => self.rig(case)?.counted(reason),
            Counted::Forwarded => self.rig(case)?.forwarded(),
        }
    }

    fn rig(&self, case: &Case) -> Result<&Rig> {
        let found = self.rigs.iter().find(|(key, _)| *key == case.rig);
        let (_, rig) = found.with_context(|| format!("{}: no tables", case.name))?;
        Ok(rig)
    }
}

fn packets<'a>(case: &Case, frame: &'a [u8], flows: u32) -> Packets<'a> {
    Packets {
        frame,
        shape: case.shape,
        grows_behind: case.counted == Counted::As(Reason::ResetNoFlow),
        flows,
        is_numbered: case.sender == Sender::Client,
        services: case.rig.layout.services(),
        renumber: case.renumber,
        cpus: case.cpus,
    }
}

fn as_what(counted: Counted) -> &'static str {
    match counted {
        Counted::Not => "at all",
        Counted::As(reason) => reason.label(),
        Counted::Forwarded => "as forwarded",
    }
}
