//! BPF entry of the program that backends run: wrap the context, take the packet out of its tunnel, count it, and let the
//! host's stack have it.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]
#![expect(
    unsafe_code,
    reason = "the kernel calls this by name and reads the licence section"
)]

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};
use lb_common::{
    counters::PacketsBytes,
    decap::{COUNTERS_ENTRIES, Reason, Settings},
};
use lb_ebpf::{bpf::JumboPacket, decap::decapsulate, packet::Packet as _};

#[map(name = "DECAP_SETTINGS")]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
#[map(name = "DECAP_COUNTERS")]
static COUNTERS: PerCpuArray<PacketsBytes> = PerCpuArray::with_max_entries(COUNTERS_ENTRIES, 0);

/// Takes packets out of tunnels, jumbo frames too.
#[xdp(frags)]
pub fn lb_decap(context: XdpContext) -> u32 {
    // The agent writes the settings before it attaches the program and never after: a shared reference is true.
    let Some(settings) = SETTINGS.get(0) else {
        return xdp_action::XDP_PASS;
    };
    let mut packet = JumboPacket::new(&context);
    let bytes = packet.len() as u64;
    let reason = decapsulate(&mut packet, settings);
    count(reason, bytes);
    if reason.drops() {
        xdp_action::XDP_DROP
    } else {
        xdp_action::XDP_PASS
    }
}

#[inline(always)]
fn count(reason: Reason, bytes: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(reason as u32) {
        // SAFETY: the element is this CPU's own, and XDP programs do not interrupt each other on a CPU.
        let counter = unsafe { &mut *counter };
        counter[0] += 1;
        counter[1] += bytes;
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
