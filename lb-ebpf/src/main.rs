//! BPF entry of the object that takes frames in one piece: every driver's, up to the MTU that it allows with XDP.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]

use aya_ebpf::macros::xdp;

lb_ebpf::programs!(xdp, XdpPacket, "LB_STAGES");
