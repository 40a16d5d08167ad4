//! BPF programs of the measuring stand.
//!
//! `BPF_PROG_TEST_RUN` does not restore the packet between rounds, so the program under test would see its own
//! output. [`lb_bench_stand`] writes a fresh frame first, numbers it, and then tail-calls the program under test.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]
#![expect(
    unsafe_code,
    reason = "the kernel calls these by name and reads the licence section"
)]

mod reference;

use aya_ebpf::{
    bindings::xdp_action,
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    macros::{map, xdp},
    maps::{Array, PerCpuArray, ProgramArray},
    programs::XdpContext,
};
use lb_ebpf::{bpf::XdpPacket, packet::Packet as _};

/// Bytes of every frame: what the longest header takes, in whole words.
const FRAME: usize = 80;
/// Where an untagged IPv4/TCP frame has what is numbered.
const V4: Places = Places {
    client: 26,
    vip: 30,
    sequence: 38,
};
/// The same of an untagged IPv6/TCP frame.
const V6: Places = Places {
    client: 34,
    vip: 50,
    sequence: 58,
};
/// Bytes of a VLAN tag.
const TAG: usize = 4;
/// An odd number near 2^32 divided by the golden ratio: its multiples visit every flow once (Weyl).
const WEYL: u32 = 0x9e37_79b1;
/// Another one: the product's upper half gives a flow its service, the same each time.
const SPREAD: u32 = 0x85eb_ca6b;

#[map(name = "BENCH_PROGRAMS")]
static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(1, 0);
#[map(name = "BENCH_FRAME")]
static TEMPLATE: Array<[u64; FRAME / 8]> = Array::with_max_entries(1, 0);
/// Number of flows minus one; whether the sequence number differs from packet to packet; the frame's shape: bit 0 where
/// it is IPv6, bit 1 where it has a VLAN tag, bit 2 where the program under test changes its length at its end; whether it
/// is numbered at all; number of services, whose addresses follow each other; the last words of the client's and of the first
/// service's address, and that service's port.
#[map(name = "BENCH_SETTINGS")]
static SETTINGS: Array<[u32; 8]> = Array::with_max_entries(1, 0);
/// What the next flow follows from, and the number of this CPU's first flow: CPUs have no flow in common.
#[map(name = "BENCH_ROUND")]
static ROUND: PerCpuArray<[u32; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Where a frame has what is numbered.
struct Places {
    /// The last word of the client's address.
    client: usize,
    /// The last word of the service's address; the ports follow.
    vip: usize,
    /// The sequence number.
    sequence: usize,
}

/// Writes the frame of the next flow and calls the program under test.
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

/// What lb is compared with.
#[xdp]
pub fn lb_bench_reference(context: XdpContext) -> u32 {
    reference::forward(&mut XdpPacket::new(&context)).unwrap_or(xdp_action::XDP_PASS)
}

/// Takes the flow of the frame out of the reference's memory.
#[xdp]
pub fn lb_bench_forget(context: XdpContext) -> u32 {
    reference::forget(&XdpPacket::new(&context)).unwrap_or(xdp_action::XDP_PASS)
}

#[inline(always)]
fn stand(context: &XdpContext) -> Option<u32> {
    let template = TEMPLATE.get_ptr(0)?;
    let [
        mask,
        renumber,
        shape,
        is_numbered,
        services,
        client,
        vip,
        port,
    ] = *SETTINGS.get(0)?;
    let round = ROUND.get_ptr_mut(0)?;
    // SAFETY: the counter is this CPU's own.
    let [round, first] = unsafe {
        (*round)[0] = (*round)[0].wrapping_add(WEYL);
        *round
    };
    // What the program under test put to the frame, or took from it, in the round before.
    let added = (context.data_end() - context.data()) as i32 - FRAME as i32;
    if added != 0 {
        // SAFETY: the context is the one the kernel gave this run; every pointer is derived from it anew.
        let moved = unsafe {
            if shape & 4 == 0 {
                bpf_xdp_adjust_head(context.ctx, added)
            } else {
                bpf_xdp_adjust_tail(context.ctx, -added)
            }
        };
        if moved != 0 {
            return None;
        }
    }
    let start = context.data();
    if start + FRAME > context.data_end() {
        return None;
    }
    let frame = start as *mut u8;
    // SAFETY: the frame was compared with FRAME bytes, which the template has, and both begin on eight bytes.
    unsafe {
        frame.cast::<[u64; FRAME / 8]>().write(template.read());
    }
    if is_numbered != 0 {
        let flow = first + (round & mask);
        let service = (u64::from(flow.wrapping_mul(SPREAD)) * u64::from(services)) >> 32;
        let numbers = Numbers {
            client: (client + (flow >> 16)).to_be(),
            vip_and_ports: [(vip + service as u32).to_be(), (flow << 16 | port).to_be()],
            sequence: (renumber != 0).then_some(round as u16),
        };
        let mut packet = XdpPacket::new(context);
        match shape & 3 {
            0 => number(&mut packet, &V4, 0, &numbers)?,
            1 => number(&mut packet, &V6, 0, &numbers)?,
            2 => number(&mut packet, &V4, TAG, &numbers)?,
            _ => number(&mut packet, &V6, TAG, &numbers)?,
        }
    }
    // SAFETY: the context is the one the kernel gave this run. The call only returns where it failed.
    let _ = unsafe { PROGRAMS.tail_call(context, 0) };
    None
}

/// What a frame is given, as it stands there.
struct Numbers {
    client: u32,
    vip_and_ports: [u32; 2],
    sequence: Option<u16>,
}

/// Makes the frame one of this flow; `places` lie `tag` bytes further back. Whole words are stored: what is read in larger
/// pieces than it was stored in waits until that is done, and no frame from a network does.
#[inline(always)]
fn number(
    packet: &mut XdpPacket<'_>,
    places: &Places,
    tag: usize,
    numbers: &Numbers,
) -> Option<()> {
    packet.store(places.client + tag, &[numbers.client])?;
    packet.store(places.vip + tag, &numbers.vip_and_ports)?;
    match numbers.sequence {
        Some(sequence) => packet.store_u16(places.sequence + tag, sequence),
        None => Some(()),
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
