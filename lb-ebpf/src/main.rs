//! BPF entry: wrap the context, take the packet down the road, turn the verdict into an XDP action.
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
use lb_common::Reason;
use lb_ebpf::{
    bpf::{KernelTables, XdpPacket, explain},
    packet::Packet,
    pipeline,
    verdict::{Outcome, Verdict},
};

/// Forwards.
#[xdp]
pub fn lb(context: XdpContext) -> u32 {
    let outcome = pipeline::run(&mut XdpPacket::new(&context), &KernelTables::<false>);
    log(&context, &outcome);
    match outcome.verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Tx => xdp_action::XDP_TX,
        // SAFETY: the helper only notes the index for the kernel, which checks it; it returns the action.
        Verdict::Redirect(ifindex) => unsafe { bpf_redirect(ifindex, 0) as u32 },
    }
}

/// Decides what [`lb`] would decide, changes nothing and leaves the outcome for the agent.
#[xdp]
pub fn lb_dry_run(context: XdpContext) -> u32 {
    let mut packet = XdpPacket::new(&context);
    let outcome = pipeline::run(&mut packet, &KernelTables::<true>);
    explain(&outcome, packet.ingress());
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
