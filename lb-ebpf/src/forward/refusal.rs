//! Why a packet was not edited.

/// Why a packet cannot be forwarded the way it was meant to be. Nothing but `Truncated` is found after the first edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A header runs past the end of the frame, or there is no room in front of it.
    Truncated,
    /// It would be longer than its way takes; the longest packet that would fit, in bytes as it came.
    TooBig(u16),
    /// Its time to live or hop limit runs out here.
    Expired,
    /// It cannot be translated between IPv4 and IPv6 (RFC 7915).
    Untranslatable,
}
