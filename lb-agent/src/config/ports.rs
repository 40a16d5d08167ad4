//! Ports as they are written: `80`, `8000-8099`.

use std::fmt;
use std::ops::RangeInclusive;

/// Ports as listeners and `nat_ports` show them.
pub(super) struct Shown<'p>(pub(super) &'p RangeInclusive<u16>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.0.start(), self.0.end());
        if low == high {
            write!(f, "{low}")
        } else {
            write!(f, "{low}-{high}")
        }
    }
}

/// Reads one port or a range of them, the lower one first. None where it is neither; the range may be empty, and 0 is
/// read as it is written.
pub(super) fn read(text: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Some(port(low)?..=port(high)?)
}

/// Digits alone: `+80` would be read by the standard library.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
