//! The host's routes, asked by the kernel's own look-up.
#![expect(
    unsafe_code,
    reason = "this calls a helper with a record of the kernel's"
)]

use aya_ebpf::{helpers::generated::bpf_fib_lookup, programs::XdpContext};
use lb_common::{
    Address, Backend,
    address::{is_v4, to_v4},
};

use crate::forward::front::Way;

/// `struct bpf_fib_lookup` of linux/bpf.h. 64 bytes.
#[repr(C)]
struct Lookup {
    family: u8,
    l4_protocol: u8,
    ports: [u16; 2],
    /// 0: the length is not compared with the MTU.
    length: u16,
    ifindex: u32,
    traffic_class: u32,
    source: Address,
    destination: Address,
    vlan: [u16; 2],
    own_mac: [u8; 6],
    next_hop: [u8; 6],
}

/// Address families of linux/socket.h.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// The way for a packet between these addresses that came by `ingress`.
#[inline(always)]
pub fn route(
    context: &XdpContext,
    source: &Address,
    destination: &Address,
    ingress: u32,
) -> Option<Way> {
    let v4 = |address: &Address| [u64::from(to_v4(address).to_le()), 0];
    let (family, source, destination) = if is_v4(destination) {
        (AF_INET, v4(source), v4(destination))
    } else {
        (AF_INET6, *source, *destination)
    };
    let mut lookup = Lookup {
        family,
        l4_protocol: 0,
        ports: [0; 2],
        length: 0,
        ifindex: ingress,
        traffic_class: 0,
        source,
        destination,
        vlan: [0; 2],
        own_mac: [0; 6],
        next_hop: [0; 6],
    };
    // SAFETY: the record is the kernel's, of its length, and lives on this stack; the context is the one of this run.
    let found = unsafe {
        bpf_fib_lookup(
            context.ctx.cast(),
            (&raw mut lookup).cast(),
            size_of::<Lookup>() as i32,
            0,
        )
    };
    (found == 0).then(|| Way {
        ifindex: lookup.ifindex,
        ethernet: Backend::ethernet(lookup.next_hop, lookup.own_mac),
        tags: [0; 2],
    })
}
