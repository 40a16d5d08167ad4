//! BPF programs of the measuring stand.
//!
//! `BPF_PROG_TEST_RUN` does not restore the packet between rounds, so the program under test would see its own
//! output. [`lb_bench_stand`] writes a fresh header first, numbers it, and then tail-calls the program under test.
#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "the kernel calls these by name and reads the licence section"
)]

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, PerCpuArray, ProgramArray},
    programs::XdpContext,
};

/// Bytes of the header that is written before each round.
const HEADER: usize = 54;
/// Where the client's port stands in an IPv4/TCP frame.
const CLIENT_PORT: usize = 34;
/// Where the low half of the client's address stands in an IPv4/TCP frame.
const CLIENT_LOW: usize = 28;
/// An odd number near 2^32 divided by the golden ratio: its multiples visit every flow once (Weyl).
const WEYL: u32 = 0x9e37_79b1;

#[map(name = "BENCH_PROGRAMS")]
static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(1, 0);
/// The header; then, in the last entry's first word, the number of flows minus one.
#[map(name = "BENCH_HEADER")]
static TEMPLATE: Array<[u8; 64]> = Array::with_max_entries(1, 0);
#[map(name = "BENCH_FLOW_MASK")]
static FLOW_MASK: Array<u32> = Array::with_max_entries(1, 0);
#[map(name = "BENCH_ROUND")]
static ROUND: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Writes the header of the next flow and calls the program under test.
#[xdp]
pub fn lb_bench_stand(context: XdpContext) -> u32 {
    stand(&context).unwrap_or(xdp_action::XDP_ABORTED)
}

/// The empty program: what every figure is compared with.
#[xdp]
pub fn lb_bench_null(_context: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

/// Passes everything: gives a veth peer the receive path that XDP_TX and XDP_REDIRECT need.
#[xdp]
pub fn lb_bench_pass(_context: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

#[inline(always)]
fn stand(context: &XdpContext) -> Option<u32> {
    let template = TEMPLATE.get_ptr(0)?;
    let mask = FLOW_MASK.get(0)?;
    let round = ROUND.get_ptr_mut(0)?;
    if context.data() + HEADER > context.data_end() {
        return None;
    }
    // SAFETY: the counter is this CPU's own.
    let flow = unsafe {
        *round = (*round).wrapping_add(WEYL);
        *round & *mask
    };
    let frame = context.data() as *mut u8;
    // SAFETY: the frame was compared with HEADER bytes, the template has more, and both lie in different memory.
    unsafe {
        core::ptr::copy_nonoverlapping(template.cast::<u8>(), frame, HEADER);
        let [a, b, c, d] = flow.to_be_bytes();
        frame.add(CLIENT_LOW).write(a);
        frame.add(CLIENT_LOW + 1).write(b);
        frame.add(CLIENT_PORT).write(c);
        frame.add(CLIENT_PORT + 1).write(d);
    }
    // SAFETY: the context is the one the kernel gave this run. The call only returns where it failed.
    let _ = unsafe { PROGRAMS.tail_call(context, 0) };
    None
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
