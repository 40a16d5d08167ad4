//! A packet in an XDP context whose frame may lie in several pieces.
#![expect(unsafe_code, reason = "this is the door to a frame's length")]

use core::cell::Cell;

use aya_ebpf::{
    helpers::generated::{bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};

use super::XdpPacket;
use crate::packet::{Header, Packet};

/// The frame of an XDP context, of which only the first piece is read and written: drivers put the headers there. What
/// stands behind it is as good as missing.
pub struct JumboPacket<'a> {
    context: &'a XdpContext,
    first: XdpPacket<'a>,
    /// Length of all pieces, once it was asked for: the kernel's answer is a call, and the end of the first piece is not
    /// the frame's.
    len: Cell<Option<usize>>,
}

impl<'a> JumboPacket<'a> {
    /// The frame of `context`.
    #[inline(always)]
    pub const fn new(context: &'a XdpContext) -> Self {
        Self {
            context,
            first: XdpPacket::new(context),
            len: Cell::new(None),
        }
    }
}

impl Packet for JumboPacket<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        if let Some(len) = self.len.get() {
            return len;
        }
        // SAFETY: the context is the one the kernel gave this run.
        let len = unsafe { bpf_xdp_get_buff_len(self.context.ctx) } as usize;
        self.len.set(Some(len));
        len
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        self.first.ingress()
    }

    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header<N>> {
        self.first.header(offset)
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, offset: usize, words: &[u32; N]) -> Option<()> {
        self.first.store(offset, words)
    }

    #[inline(always)]
    fn store_u16(&mut self, offset: usize, word: u16) -> Option<()> {
        self.first.store_u16(offset, word)
    }

    #[inline(always)]
    fn truncate(&mut self, len: usize) -> Option<()> {
        let delta = len as i64 - self.len() as i64;
        if delta > 0 {
            return None;
        }
        self.len.set(None);
        // SAFETY: the context is the one the kernel gave this run; every pointer is derived from it anew.
        let result = unsafe { bpf_xdp_adjust_tail(self.context.ctx, delta as i32) };
        (result == 0).then_some(())
    }

    #[inline(always)]
    fn refront(&mut self, from: usize, to: usize) -> Option<()> {
        self.len.set(None);
        self.first.refront(from, to)
    }
}
