//! TCP (RFC 9293 section 3.1).

use crate::packet::Header;

/// Length of the header without options.
pub const LEN: usize = 20;
/// Where the checksum lies.
pub const CHECKSUM: usize = 16;
/// Flag: no more data from the sender.
pub const FIN: u8 = 0x01;
/// Flag: synchronise sequence numbers.
pub const SYN: u8 = 0x02;
/// Flag: reset the connection.
pub const RST: u8 = 0x04;
/// Flag: the acknowledgement number is valid.
pub const ACK: u8 = 0x10;

/// Source port, then destination port, the way they stand in memory.
#[inline(always)]
pub fn ports(header: &impl Header<LEN>) -> u32 {
    header.u32::<0>()
}

/// Sequence number, the way it stands in memory.
#[inline(always)]
pub fn sequence(header: &impl Header<LEN>) -> u32 {
    header.u32::<4>()
}

/// Acknowledgement number, the way it stands in memory.
#[inline(always)]
pub fn acknowledgement(header: &impl Header<LEN>) -> u32 {
    header.u32::<8>()
}

/// Length of the header with options, in bytes.
#[inline(always)]
pub fn header_len(header: &impl Header<LEN>) -> usize {
    usize::from(header.u8::<12>() >> 4) * 4
}

/// The flags of byte 13.
#[inline(always)]
pub fn flags(header: &impl Header<LEN>) -> u8 {
    header.u8::<13>()
}

/// Checksum, the way it stands in memory.
#[inline(always)]
pub fn checksum(header: &impl Header<LEN>) -> u16 {
    header.u16::<CHECKSUM>()
}

/// Whether `flags` may stand together: no segment opens a connection and ends it.
#[inline(always)]
pub const fn are_sane(flags: u8) -> bool {
    flags & SYN == 0 || flags & (FIN | RST) == 0
}
