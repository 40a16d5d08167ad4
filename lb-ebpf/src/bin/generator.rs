//! BPF programs of the live-frame stand: one makes frames, one sends them back untouched, one counts and drops them.
//!
//! `BPF_PROG_TEST_RUN` with live frames uses its pages again as they come back, so that a frame still has what was
//! written to it on its way: [`lb_generate`] writes the whole of it each time.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]
#![expect(
    unsafe_code,
    reason = "the kernel calls these by name and reads the licence section"
)]

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};

/// Bytes of every frame: the shortest that Ethernet has.
const FRAME: usize = 64;
/// Where an Ethernet frame has its type.
const TYPE: usize = 12;
/// The type of IPv4, as it is read on this target.
const IPV4: u16 = 0x0800_u16.to_be();
/// Where an IPv4/TCP frame has the client's port.
const CLIENT_PORT: usize = 34;
/// Where it has TCP's checksum.
const CHECKSUM: usize = 50;
/// An odd number near 2^32 divided by the golden ratio: its multiples visit every flow once (Weyl).
const WEYL: u32 = 0x9e37_79b1;

/// An IPv4/TCP frame whose client's port is 0.
#[map(name = "GENERATOR_FRAME")]
static TEMPLATE: Array<[u64; FRAME / 8]> = Array::with_max_entries(1, 0);
/// Number of flows minus one; a power of two of them, 65,536 at most.
#[map(name = "GENERATOR_FLOWS")]
static FLOWS: Array<u32> = Array::with_max_entries(1, 0);
#[map(name = "GENERATOR_ROUND")]
static ROUND: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);
/// Packets and bytes that came.
#[map(name = "GENERATOR_RECEIVED")]
static RECEIVED: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Writes the frame of the next flow and sends it out of the interface that it claims to have come by.
#[xdp]
pub fn lb_generate(context: XdpContext) -> u32 {
    generate(&context).unwrap_or(xdp_action::XDP_ABORTED)
}

/// The empty program: what every figure is compared with.
#[xdp]
pub fn lb_reflect(_context: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

/// Counts and drops IPv4, and lets everything else pass: neighbours must be found.
#[xdp]
pub fn lb_receive(context: XdpContext) -> u32 {
    receive(&context).unwrap_or(xdp_action::XDP_PASS)
}

#[inline(always)]
fn generate(context: &XdpContext) -> Option<u32> {
    let template = TEMPLATE.get_ptr(0)?;
    let mask = *FLOWS.get(0)?;
    let round = ROUND.get_ptr_mut(0)?;
    // SAFETY: the counter is this CPU's own.
    let round = unsafe {
        *round = (*round).wrapping_add(WEYL);
        *round
    };
    let start = context.data();
    if start + FRAME > context.data_end() {
        return None;
    }
    let frame = start as *mut u8;
    let port = (round & mask) as u16;
    // SAFETY: the frame was compared with FRAME bytes, which the template has and within which both words lie; a frame
    // begins on eight bytes, and both words on two.
    unsafe {
        frame.cast::<[u64; FRAME / 8]>().write(template.read());
        frame.add(CLIENT_PORT).cast::<u16>().write(port);
        let checksum = frame.add(CHECKSUM).cast::<u16>();
        checksum.write(with_port(checksum.read(), port));
    }
    Some(xdp_action::XDP_TX)
}

/// The checksum after the port, which was 0, has become `port` (RFC 1624, equation 3).
#[inline(always)]
const fn with_port(checksum: u16, port: u16) -> u16 {
    let sum = (!checksum) as u32 + port as u32;
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[inline(always)]
fn receive(context: &XdpContext) -> Option<u32> {
    let start = context.data();
    let bytes = context.data_end() - start;
    if start + TYPE + 2 > context.data_end() {
        return None;
    }
    // SAFETY: the frame was compared with the end of its type, which lies on two bytes.
    let kind = unsafe { ((start + TYPE) as *const u16).read() };
    if kind != IPV4 {
        return None;
    }
    let received = RECEIVED.get_ptr_mut(0)?;
    // SAFETY: the element is this CPU's own, and XDP programs do not interrupt each other on a CPU.
    let received = unsafe { &mut *received };
    received[0] += 1;
    received[1] += bytes as u64;
    Some(xdp_action::XDP_DROP)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
