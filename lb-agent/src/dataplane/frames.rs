//! How large the frames are that the programs take, and which of the two objects takes them.

use lb_common::maps;

/// The largest MTU whose frames fit into one page (4,096 bytes) in native mode: beside a frame, with its Ethernet header and
/// two VLAN tags, there are 256 bytes in front of it (`XDP_PACKET_HEADROOM`) and 320 of the kernel's own behind it
/// (`struct skb_shared_info`).
pub const PAGE_MTU: u32 = 4096 - 256 - 320 - 14 - 2 * 4;

/// The frames that an object's programs take. In the kernel it is a property of a program, the same for all that call
/// each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// Those that fit into a page.
    #[default]
    Page,
    /// Jumbo frames as well, in several pieces: each program asks the kernel for a frame's length.
    Jumbo,
}

impl Frames {
    /// What interfaces with these MTUs need.
    pub fn for_mtus(mtus: impl IntoIterator<Item = u32>) -> Self {
        if mtus.into_iter().any(|mtu| mtu > PAGE_MTU) {
            Self::Jumbo
        } else {
            Self::Page
        }
    }

    /// Whether programs of this kind may take the frames of an interface with this MTU.
    pub fn fit(self, mtu: u32) -> bool {
        self == Self::Jumbo || mtu <= PAGE_MTU
    }

    /// The other kind.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Page => Self::Jumbo,
            Self::Jumbo => Self::Page,
        }
    }

    /// Name of the map by which programs of this kind call each other.
    pub const fn stages(self) -> &'static str {
        match self {
            Self::Page => maps::STAGES,
            Self::Jumbo => maps::STAGES_JUMBO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_mtu_decides() {
        assert_eq!(PAGE_MTU, 3498);
        assert_eq!(Frames::for_mtus([]), Frames::Page);
        assert_eq!(Frames::for_mtus([1500, PAGE_MTU]), Frames::Page);
        assert_eq!(Frames::for_mtus([1500, PAGE_MTU + 1]), Frames::Jumbo);
        assert!(Frames::Jumbo.fit(9000) && Frames::Page.fit(PAGE_MTU));
        assert!(!Frames::Page.fit(9000));
    }
}
