//! A packet in an XDP context.
#![expect(unsafe_code, reason = "this is the door to a packet's bytes")]

use core::{arch::asm, intrinsics::is_val_statically_known, marker::PhantomData};

use aya_ebpf::{
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};

use crate::packet::{Header, MAX_OFFSET, Packet};

/// The frame of an XDP context.
pub struct XdpPacket<'a> {
    context: &'a XdpContext,
}

impl<'a> XdpPacket<'a> {
    /// The frame of `context`.
    #[inline(always)]
    pub const fn new(context: &'a XdpContext) -> Self {
        Self { context }
    }

    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<*mut [u8; N]> {
        let start = begin(self.context.data(), offset);
        (start + N <= self.context.data_end()).then_some(start as *mut [u8; N])
    }
}

impl Packet for XdpPacket<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.context.data_end() - self.context.data()
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        self.context.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header<N>> {
        Some(XdpHeader {
            start: self.at(offset)?,
            frame: PhantomData::<&()>,
        })
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, offset: usize, words: &[u32; N]) -> Option<()> {
        let start = begin(self.context.data(), offset);
        if start + 4 * N > self.context.data_end() {
            return None;
        }
        let mut at = 0;
        while at < N {
            // SAFETY: the end of these N words was compared with the end of the frame, which is this CPU's alone
            // while the program runs; the machine stores words at any address.
            unsafe {
                asm!(
                    "*(u32 *)({to} + 0) = {word}",
                    to = in(reg) start + 4 * at,
                    word = in(reg) u64::from(words[at]),
                    options(nostack),
                );
            }
            at += 1;
        }
        Some(())
    }

    #[inline(always)]
    fn store_u16(&mut self, offset: usize, word: u16) -> Option<()> {
        let start = begin(self.context.data(), offset);
        if start + 2 > self.context.data_end() {
            return None;
        }
        // SAFETY: as in `store`.
        unsafe {
            asm!(
                "*(u16 *)({to} + 0) = {word}",
                to = in(reg) start,
                word = in(reg) u64::from(word),
                options(nostack),
            );
        }
        Some(())
    }

    #[inline(always)]
    fn truncate(&mut self, len: usize) -> Option<()> {
        let delta = len as i64 - self.len() as i64;
        if delta > 0 {
            return None;
        }
        // SAFETY: the context is the one the kernel gave this run; every pointer is derived from it anew.
        let result = unsafe { bpf_xdp_adjust_tail(self.context.ctx, delta as i32) };
        (result == 0).then_some(())
    }

    #[inline(always)]
    fn refront(&mut self, from: usize, to: usize) -> Option<()> {
        let delta = from as i64 - to as i64;
        if delta == 0 {
            return Some(());
        }
        // SAFETY: the context is the one the kernel gave this run; every pointer is derived from it anew.
        let result = unsafe { bpf_xdp_adjust_head(self.context.ctx, delta as i32) };
        (result == 0).then_some(())
    }
}

/// The address `offset` bytes after `data`, in one step that the compiler cannot take apart: the verifier knows an
/// address it has compared with the frame's end only as long as nothing is added to the offset in between.
#[inline(always)]
fn begin(data: usize, offset: usize) -> usize {
    if is_val_statically_known(offset) {
        return data + offset;
    }
    let mut start = data;
    // SAFETY: an addition; the mask bounds the offset, which is never above it.
    unsafe {
        asm!(
            "{offset} &= {most}",
            "{start} += {offset}",
            offset = inlateout(reg) offset => _,
            start = inout(reg) start,
            most = const MAX_OFFSET,
            options(nostack, nomem, pure),
        );
    }
    start
}

/// Bytes of the frame that were compared with its end.
struct XdpHeader<'a, const N: usize> {
    start: *mut [u8; N],
    frame: PhantomData<&'a ()>,
}

/// A load at a constant offset, in one instruction. Rust's own unaligned reads become one load per byte on this
/// target, and its aligned ones would be undefined here.
macro_rules! load {
    ($self:ident, $width:literal, $size:literal) => {{
        const { assert!(AT + $size <= N) }
        let word: u64;
        // SAFETY: the header's N bytes were compared with the end of the frame, and these lie among them; the
        // machine loads words from any address.
        unsafe {
            asm!(
                concat!("{word} = *(", $width, " *)({start} + {at})"),
                word = lateout(reg) word,
                start = in(reg) $self.start,
                at = const AT,
                options(nostack, readonly, pure),
            );
        }
        word
    }};
}

impl<const N: usize> Header<N> for XdpHeader<'_, N> {
    #[inline(always)]
    fn u8<const AT: usize>(&self) -> u8 {
        load!(self, "u8", 1) as u8
    }

    #[inline(always)]
    fn u16<const AT: usize>(&self) -> u16 {
        load!(self, "u16", 2) as u16
    }

    #[inline(always)]
    fn u32<const AT: usize>(&self) -> u32 {
        load!(self, "u32", 4) as u32
    }

    #[inline(always)]
    fn u64<const AT: usize>(&self) -> u64 {
        load!(self, "u64", 8)
    }
}
