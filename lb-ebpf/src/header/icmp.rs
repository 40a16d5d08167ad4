//! ICMP (RFC 792) and ICMPv6 (RFC 4443): type, code, checksum, and four bytes whose meaning the type gives.

use crate::packet::Header;

/// Length of the header. Behind it an error quotes the packet it is about.
pub const LEN: usize = 8;

/// Types and codes of ICMP.
pub mod v4 {
    /// Type: echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Type: destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: the host.
    pub const HOST_UNREACHABLE: u8 = 1;
    /// Code of [`UNREACHABLE`]: the protocol.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// Code of [`UNREACHABLE`]: the port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: fragmentation needed and not allowed; the header's last two bytes are the MTU of the
    /// next hop (RFC 1191 section 4).
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Code of [`UNREACHABLE`]: communication with the host is prohibited (RFC 1122 section 3.2.2.1).
    pub const HOST_PROHIBITED: u8 = 10;
    /// Type: source quench (deprecated by RFC 6633).
    pub const SOURCE_QUENCH: u8 = 4;
    /// Type: redirect.
    pub const REDIRECT: u8 = 5;
    /// Type: echo request.
    pub const ECHO: u8 = 8;
    /// Type: time exceeded; code 0: in transit.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Type: parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;

    /// Whether messages of this type are errors (RFC 1122 section 3.2.2).
    #[inline(always)]
    pub const fn is_error(kind: u8) -> bool {
        matches!(
            kind,
            UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
        )
    }
}

/// Types and codes of ICMPv6.
pub mod v6 {
    /// Type: destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Code of [`UNREACHABLE`]: no route.
    pub const NO_ROUTE: u8 = 0;
    /// Code of [`UNREACHABLE`]: prohibited by an administrator.
    pub const PROHIBITED: u8 = 1;
    /// Code of [`UNREACHABLE`]: the port.
    pub const PORT_UNREACHABLE: u8 = 4;
    /// Type: packet too big; the header's last four bytes are the MTU of the next hop.
    pub const TOO_BIG: u8 = 2;
    /// Type: time exceeded; code 0: in transit.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Type: parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Code of [`PARAMETER_PROBLEM`]: a next header is unknown.
    pub const UNKNOWN_NEXT_HEADER: u8 = 1;
    /// Type: echo request.
    pub const ECHO: u8 = 128;
    /// Type: echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Type: redirect (RFC 4861 section 4.5).
    pub const REDIRECT: u8 = 137;

    /// Whether messages of this type are never answered with an error: errors and redirects (RFC 4443 section 2.4,
    /// e.1 and e.2).
    #[inline(always)]
    pub const fn is_error(kind: u8) -> bool {
        kind < ECHO || kind == REDIRECT
    }
}

/// Type.
#[inline(always)]
pub fn kind(header: &impl Header<LEN>) -> u8 {
    header.u8::<0>()
}

/// Code: the type, more precisely.
#[inline(always)]
pub fn code(header: &impl Header<LEN>) -> u8 {
    header.u8::<1>()
}

/// Type and code in one word, the way they stand in memory.
#[inline(always)]
pub fn kind_and_code(header: &impl Header<LEN>) -> u16 {
    header.u16::<0>()
}

/// Checksum, the way it stands in memory.
#[inline(always)]
pub fn checksum(header: &impl Header<LEN>) -> u16 {
    header.u16::<2>()
}
