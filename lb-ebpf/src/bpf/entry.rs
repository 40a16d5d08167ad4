//! The entry points of an object: each wraps the context, takes the packet through one stage of the road, and hands it on
//! or turns the verdict into an XDP action.
#![expect(unsafe_code, reason = "programs redirect, and call the next one")]

use aya_ebpf::{
    bindings::xdp_action, helpers::generated::bpf_redirect, maps::ProgramArray,
    programs::XdpContext,
};
use aya_log_ebpf::{info, warn};
use lb_common::{Reason, Stage};

use super::maps::{KernelTables, explain};
use crate::{
    packet::Packet,
    pipeline::{self, Step},
    tables::Tables as _,
    verdict::{Outcome, Verdict},
};

/// Makes a program of each stage, one more of each for dry runs, the map they call each other by, and what else the
/// kernel asks of an object.
///
/// `programs!(ATTRIBUTE, PACKET, STAGES)`: the attribute of each program, the [`Packet`] its frame is, and the name
/// of the map of programs. The kernel puts no two programs into one such map of which only one takes frames in pieces.
#[macro_export]
macro_rules! programs {
    ($xdp:meta, $packet:ident, $stages:tt) => {
        /// The stages' programs: those that forward, then those of a dry run.
        #[::aya_ebpf::macros::map(name = $stages)]
        static STAGES: ::aya_ebpf::maps::ProgramArray =
            ::aya_ebpf::maps::ProgramArray::with_max_entries(2 * ::lb_common::Stage::COUNT, 0);

        $crate::programs! { $xdp; $packet;
            /// Forwards.
            lb, lb_dry_run = Road;
            /// Reads options, extension headers and fragments.
            lb_walk, lb_dry_walk = Walk;
            /// Finds whose packet it is.
            lb_select, lb_dry_select = Select;
            /// Begins flows.
            lb_begin, lb_dry_begin = Begin;
            /// Remembers flows.
            lb_record, lb_dry_record = Record;
            /// Gives translated flows their port and remembers them.
            lb_bind, lb_dry_bind = Bind;
            /// Remembers first fragments.
            lb_fragment, lb_dry_fragment = Fragment;
            /// Sends packets off.
            lb_depart, lb_dry_depart = Depart;
            /// Finds what an ICMP message is about.
            lb_icmp, lb_dry_icmp = Icmp;
            /// Sends ICMP errors off.
            lb_notify, lb_dry_notify = Notify;
            /// Answers.
            lb_answer, lb_dry_answer = Answer;
            /// Forwards packets of open flows that are not at hand.
            lb_open, lb_dry_open = Open;
        }

        #[cfg(not(test))]
        #[panic_handler]
        fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
            loop {}
        }

        #[unsafe(link_section = "license")]
        #[unsafe(no_mangle)]
        static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
    };
    ($xdp:meta; $packet:ident;
     $(#[doc = $help:literal] $program:ident, $dry_run:ident = $stage:ident;)+) => {
        $(
            #[doc = $help]
            #[$xdp]
            pub fn $program(context: ::aya_ebpf::programs::XdpContext) -> u32 {
                let mut packet = $crate::bpf::$packet::new(&context);
                $crate::bpf::forward(&context, &mut packet, &STAGES, ::lb_common::Stage::$stage)
            }

            /// Decides what the program before would decide, changes nothing and leaves the outcome for the agent.
            #[$xdp]
            pub fn $dry_run(context: ::aya_ebpf::programs::XdpContext) -> u32 {
                let mut packet = $crate::bpf::$packet::new(&context);
                $crate::bpf::decide(&context, &mut packet, &STAGES, ::lb_common::Stage::$stage)
            }
        )+
    };
}

/// Takes the packet through `stage`; `stages` holds the next ones.
#[inline(always)]
pub fn forward<P: Packet>(
    context: &XdpContext,
    packet: &mut P,
    stages: &ProgramArray,
    stage: Stage,
) -> u32 {
    let tables = KernelTables::<false>::new(context);
    let outcome = match pipeline::take(stage, packet, &tables) {
        Step::Left(outcome) => outcome,
        Step::On(next) => return call(context, stages, next as u32),
    };
    // The quick stages have no stack to spare.
    if !matches!(stage, Stage::Road | Stage::Open) {
        log(context, &outcome);
    }
    match outcome.verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Tx => xdp_action::XDP_TX,
        // SAFETY: the helper only notes the index for the kernel, which checks it; it returns the action.
        Verdict::Redirect(ifindex) => unsafe { bpf_redirect(ifindex, 0) as u32 },
    }
}

/// Decides what [`forward`] would do.
#[inline(always)]
pub fn decide<P: Packet>(
    context: &XdpContext,
    packet: &mut P,
    stages: &ProgramArray,
    stage: Stage,
) -> u32 {
    let tables = KernelTables::<true>::new(context);
    let outcome = match pipeline::take(stage, packet, &tables) {
        Step::Left(outcome) => outcome,
        Step::On(next) => return call(context, stages, next as u32 + Stage::COUNT),
    };
    explain(&outcome, packet.ingress(), tables.now());
    match outcome.verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Tx => xdp_action::XDP_TX,
        Verdict::Redirect(_) => xdp_action::XDP_REDIRECT,
    }
}

/// Hands the packet on to the program at `index`, which never returns; or lets it pass where that is not loaded.
#[inline(always)]
fn call(context: &XdpContext, stages: &ProgramArray, index: u32) -> u32 {
    // SAFETY: the context is the one the kernel gave this run.
    let _ = unsafe { stages.tail_call(context, index) };
    xdp_action::XDP_PASS
}

/// Rare events only; the level is set at load, and below it the verifier removes the code.
#[inline(always)]
fn log(context: &XdpContext, outcome: &Outcome) {
    match outcome.reason {
        Reason::Inconsistent => warn!(context, "tables disagree, service {}", outcome.service),
        Reason::ResetNoBackend | Reason::NoBackend => {
            info!(context, "no backend for service {}", outcome.service);
        }
        _ => {}
    }
}
