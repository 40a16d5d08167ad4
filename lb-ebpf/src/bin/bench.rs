//! BPF programs of the measuring stand.
//!
//! `BPF_PROG_TEST_RUN` does not restore the packet between rounds, so the program under test would see its own
//! output. [`lb_bench_stand`] writes a fresh header first, numbers it, and then tail-calls the program under test.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]
#![expect(
    unsafe_code,
    reason = "the kernel calls these by name and reads the licence section"
)]

use aya_ebpf::{
    bindings::xdp_action,
    helpers::generated::bpf_xdp_adjust_head,
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
/// Where the sequence number stands in an IPv4/TCP frame.
const SEQUENCE: usize = 38;
/// An odd number near 2^32 divided by the golden ratio: its multiples visit every flow once (Weyl).
const WEYL: u32 = 0x9e37_79b1;

#[map(name = "BENCH_PROGRAMS")]
static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(1, 0);
#[map(name = "BENCH_HEADER")]
static TEMPLATE: Array<[u8; 64]> = Array::with_max_entries(1, 0);
/// Number of flows minus one; whether the sequence number differs from packet to packet; length of the frame.
#[map(name = "BENCH_SETTINGS")]
static SETTINGS: Array<[u32; 4]> = Array::with_max_entries(1, 0);
#[map(name = "BENCH_ROUND")]
static ROUND: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Writes the header of the next flow and calls the program under test.
#[xdp]
pub fn lb_bench_stand(context: XdpContext) -> u32 {
    stand(&context).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Nothing but room for an outer header of 20 bytes: the least that a tunnel costs.
#[xdp]
pub fn lb_bench_room(context: XdpContext) -> u32 {
    // SAFETY: as in `stand`.
    let moved = unsafe { bpf_xdp_adjust_head(context.ctx, -20) };
    if moved == 0 {
        xdp_action::XDP_TX
    } else {
        xdp_action::XDP_ABORTED
    }
}

/// The empty program: what every figure is compared with.
#[xdp]
pub fn lb_bench_null(_context: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

#[inline(always)]
fn stand(context: &XdpContext) -> Option<u32> {
    let template = TEMPLATE.get_ptr(0)?;
    let [mask, renumber, length, _] = *SETTINGS.get(0)?;
    let round = ROUND.get_ptr_mut(0)?;
    // SAFETY: the counter is this CPU's own.
    let round = unsafe {
        *round = (*round).wrapping_add(WEYL);
        *round
    };
    let flow = round & mask;
    // What the program under test put in front of the frame, or took from it, in the round before.
    let added = (context.data_end() - context.data()) as i32 - length as i32;
    if added != 0 {
        // SAFETY: the context is the one the kernel gave this run; every pointer is derived from it anew.
        let moved = unsafe { bpf_xdp_adjust_head(context.ctx, added) };
        if moved != 0 {
            return None;
        }
    }
    let start = context.data();
    if start + HEADER > context.data_end() {
        return None;
    }
    let frame = start as *mut u8;
    // SAFETY: the frame was compared with HEADER bytes, the template has more, and both begin on eight bytes.
    unsafe {
        frame
            .cast::<[u64; 6]>()
            .write(template.cast::<[u64; 6]>().read());
        frame
            .add(48)
            .cast::<u32>()
            .write(template.cast::<u8>().add(48).cast::<u32>().read());
        frame
            .add(52)
            .cast::<u16>()
            .write(template.cast::<u8>().add(52).cast::<u16>().read());
        let [a, b, c, d] = flow.to_be_bytes();
        frame.add(CLIENT_LOW).write(a);
        frame.add(CLIENT_LOW + 1).write(b);
        frame.add(CLIENT_PORT).write(c);
        frame.add(CLIENT_PORT + 1).write(d);
        if renumber != 0 {
            frame.add(SEQUENCE).cast::<u16>().write(round as u16);
        }
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
