//! TCP and UDP headers.

use lb_common::{Reason, TCP};

use super::Part;
use crate::{
    header::{tcp, udp},
    packet::Packet,
    verdict::Turn,
};

/// What a transport header says.
pub struct Transport {
    /// Source port, then destination port, the way they stand in memory.
    pub ports: u32,
    /// TCP: flags of byte 13. Else 0.
    pub flags: u8,
    /// TCP: sequence number, the way it stands in memory. Else 0.
    pub sequence: u32,
}

/// Reads the header at `l4` of a packet that is TCP or UDP. `len` is what the IP header says follows it; of a first
/// fragment, what of the packet it carries.
#[inline(always)]
pub fn transport<P: Packet>(
    packet: &P,
    protocol: u8,
    l4: usize,
    len: usize,
    part: Part,
) -> Result<Transport, Turn> {
    // A first fragment must hold the whole header: what a later one might put there cannot be judged (RFC 1858
    // section 3, RFC 7112 section 5).
    let short = Turn::drop(match part {
        Part::Whole => Reason::Truncated,
        Part::First | Part::Later => Reason::FragmentTiny,
    });
    if protocol == TCP {
        if len < tcp::LEN {
            return Err(short);
        }
        let header = packet
            .header::<{ tcp::LEN }>(l4)
            .ok_or(Turn::drop(Reason::Truncated))?;
        let header_len = tcp::header_len(&header);
        let flags = tcp::flags(&header);
        if header_len < tcp::LEN || !tcp::are_sane(flags) {
            return Err(Turn::drop(Reason::BadTcpHeader));
        }
        if header_len > len {
            return Err(match part {
                Part::Whole => Turn::drop(Reason::BadTcpHeader),
                Part::First | Part::Later => short,
            });
        }
        return Ok(Transport {
            ports: tcp::ports(&header),
            flags,
            sequence: tcp::sequence(&header),
        });
    }
    if len < udp::LEN {
        return Err(short);
    }
    let header = packet
        .header::<{ udp::LEN }>(l4)
        .ok_or(Turn::drop(Reason::Truncated))?;
    let length = udp::length(&header);
    if length < udp::LEN || (length > len && part == Part::Whole) {
        return Err(Turn::drop(Reason::BadLength));
    }
    Ok(Transport {
        ports: udp::ports(&header),
        flags: 0,
        sequence: 0,
    })
}
