//! BPF entry: wrap the context, take the packet through one stage of the road, turn the verdict into an XDP action.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]
#![expect(
    unsafe_code,
    reason = "the kernel calls these by name and reads the licence section"
)]

use aya_ebpf::{
    bindings::xdp_action, helpers::generated::bpf_redirect, macros::xdp, programs::XdpContext,
};
use aya_log_ebpf::{info, warn};
use lb_common::{Reason, Stage};
use lb_ebpf::{
    bpf::{KernelTables, XdpPacket, call, explain},
    packet::Packet,
    pipeline::{self, Step},
    tables::Tables,
    verdict::{Outcome, Verdict},
};

/// Forwards.
#[xdp]
pub fn lb(context: XdpContext) -> u32 {
    forward(&context, Stage::Road)
}

/// Reads options, extension headers and fragments.
#[xdp]
pub fn lb_walk(context: XdpContext) -> u32 {
    forward(&context, Stage::Walk)
}

/// Finds whose packet it is.
#[xdp]
pub fn lb_select(context: XdpContext) -> u32 {
    forward(&context, Stage::Select)
}

/// Begins flows.
#[xdp]
pub fn lb_begin(context: XdpContext) -> u32 {
    forward(&context, Stage::Begin)
}

/// Remembers flows.
#[xdp]
pub fn lb_record(context: XdpContext) -> u32 {
    forward(&context, Stage::Record)
}

/// Gives translated flows their port and remembers them.
#[xdp]
pub fn lb_bind(context: XdpContext) -> u32 {
    forward(&context, Stage::Bind)
}

/// Remembers first fragments.
#[xdp]
pub fn lb_fragment(context: XdpContext) -> u32 {
    forward(&context, Stage::Fragment)
}

/// Sends packets off.
#[xdp]
pub fn lb_depart(context: XdpContext) -> u32 {
    forward(&context, Stage::Depart)
}

/// Finds what an ICMP message is about.
#[xdp]
pub fn lb_icmp(context: XdpContext) -> u32 {
    forward(&context, Stage::Icmp)
}

/// Sends ICMP errors off.
#[xdp]
pub fn lb_notify(context: XdpContext) -> u32 {
    forward(&context, Stage::Notify)
}

/// Answers.
#[xdp]
pub fn lb_answer(context: XdpContext) -> u32 {
    forward(&context, Stage::Answer)
}

/// Decides what [`lb`] would decide, changes nothing and leaves the outcome for the agent.
#[xdp]
pub fn lb_dry_run(context: XdpContext) -> u32 {
    decide(&context, Stage::Road)
}

/// Decides what [`lb_walk`] would decide.
#[xdp]
pub fn lb_dry_walk(context: XdpContext) -> u32 {
    decide(&context, Stage::Walk)
}

/// Decides what [`lb_select`] would decide.
#[xdp]
pub fn lb_dry_select(context: XdpContext) -> u32 {
    decide(&context, Stage::Select)
}

/// Decides what [`lb_begin`] would decide.
#[xdp]
pub fn lb_dry_begin(context: XdpContext) -> u32 {
    decide(&context, Stage::Begin)
}

/// Decides what [`lb_record`] would decide.
#[xdp]
pub fn lb_dry_record(context: XdpContext) -> u32 {
    decide(&context, Stage::Record)
}

/// Decides what [`lb_bind`] would decide.
#[xdp]
pub fn lb_dry_bind(context: XdpContext) -> u32 {
    decide(&context, Stage::Bind)
}

/// Decides what [`lb_fragment`] would decide.
#[xdp]
pub fn lb_dry_fragment(context: XdpContext) -> u32 {
    decide(&context, Stage::Fragment)
}

/// Decides what [`lb_depart`] would decide.
#[xdp]
pub fn lb_dry_depart(context: XdpContext) -> u32 {
    decide(&context, Stage::Depart)
}

/// Decides what [`lb_icmp`] would decide.
#[xdp]
pub fn lb_dry_icmp(context: XdpContext) -> u32 {
    decide(&context, Stage::Icmp)
}

/// Decides what [`lb_notify`] would decide.
#[xdp]
pub fn lb_dry_notify(context: XdpContext) -> u32 {
    decide(&context, Stage::Notify)
}

/// Decides what [`lb_answer`] would decide.
#[xdp]
pub fn lb_dry_answer(context: XdpContext) -> u32 {
    decide(&context, Stage::Answer)
}

#[inline(always)]
fn forward(context: &XdpContext, stage: Stage) -> u32 {
    let tables = KernelTables::<false>::new(context);
    let step = pipeline::take(stage, &mut XdpPacket::new(context), &tables);
    let outcome = match step {
        Step::Left(outcome) => outcome,
        Step::On(next) => {
            call::<false>(context, next);
            return xdp_action::XDP_PASS;
        }
    };
    log(context, &outcome);
    match outcome.verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Tx => xdp_action::XDP_TX,
        // SAFETY: the helper only notes the index for the kernel, which checks it; it returns the action.
        Verdict::Redirect(ifindex) => unsafe { bpf_redirect(ifindex, 0) as u32 },
    }
}

#[inline(always)]
fn decide(context: &XdpContext, stage: Stage) -> u32 {
    let mut packet = XdpPacket::new(context);
    let tables = KernelTables::<true>::new(context);
    let outcome = match pipeline::take(stage, &mut packet, &tables) {
        Step::Left(outcome) => outcome,
        Step::On(next) => {
            call::<true>(context, next);
            return xdp_action::XDP_PASS;
        }
    };
    explain(&outcome, packet.ingress(), tables.now());
    match outcome.verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Tx => xdp_action::XDP_TX,
        Verdict::Redirect(_) => xdp_action::XDP_REDIRECT,
    }
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

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
