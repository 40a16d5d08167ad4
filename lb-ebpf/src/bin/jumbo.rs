//! BPF entry of the object that also takes frames in several pieces, which do not fit into a page (XDP multi-buffer).
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro keeps the documentation inside")]

use aya_ebpf::macros::xdp;

lb_ebpf::programs!(xdp(frags), JumboPacket, "LB_STAGES_JUMBO");
