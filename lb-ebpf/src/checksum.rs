//! The Internet checksum (RFC 1071), over words the way they stand in memory: the sum does not depend on the byte
//! order as long as the result is stored the way the words were read (section 2, B).

/// Adds `words` to the running sum.
#[inline(always)]
pub fn add<const N: usize>(mut sum: u64, words: &[u32; N]) -> u64 {
    let mut at = 0;
    while at < N {
        sum += u64::from(words[at]);
        at += 1;
    }
    sum
}

/// Takes `words` out of the running sum by adding their complements: ~m of RFC 1624 section 3, equation 3.
#[inline(always)]
pub fn remove<const N: usize>(mut sum: u64, words: &[u32; N]) -> u64 {
    let mut at = 0;
    while at < N {
        sum += u64::from(!words[at]);
        at += 1;
    }
    sum
}

/// The checksum field that was `field` before what it covers changed by `change`, the running sum of what was
/// removed and added: HC' = ~(~HC + ~m + m') (RFC 1624 section 3, equation 3).
#[inline(always)]
pub const fn update(field: u16, change: u64) -> u16 {
    finish(!field as u64 + change)
}

/// The checksum field for a running sum, the way it stands in memory: folded and complemented.
#[inline(always)]
pub const fn finish(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let words = [[0x00, 0x01, 0xf2, 0x03], [0xf4, 0xf5, 0xf6, 0xf7]].map(u32::from_ne_bytes);
        assert_eq!(
            finish(add(0, &words)).to_ne_bytes(),
            (!0xddf2_u16).to_be_bytes()
        );
    }

    #[test]
    fn the_example_of_rfc_1624() {
        let [from, to] = [0x5555, 0x3285_u16].map(|word| u32::from(word.to_be()));
        let change = add(remove(0, &[from]), &[to]);
        assert_eq!(update(0xdd2f_u16.to_be(), change), 0);
    }

    #[test]
    fn an_updated_field_is_the_computed_one() {
        let before = [0x0102_0304, 0xffff_ffff, 0, 0x8000_0001];
        let after = [0, 0xffff_fffe, 0xdead_beef, 0x8000_0001];
        let change = add(remove(0, &before), &after);
        let field = finish(add(0, &before));
        assert_eq!(update(field, change), finish(add(0, &after)));
    }

    #[test]
    fn carries_are_folded_until_none_is_left() {
        assert_eq!(finish(0xffff_ffff_ffff_ffff), 0);
        assert_eq!(finish(0), 0xffff);
        assert_eq!(finish(0x1_ffff), !1);
    }
}
