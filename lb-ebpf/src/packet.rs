//! The only door to a packet's bytes.

/// One frame, from its Ethernet header on.
///
/// Sizes are constants at every call, offsets at most [`MAX_OFFSET`], so that the kernel's verifier sees one comparison
/// and a fixed access.
pub trait Packet {
    /// Bytes of the frame, without FCS.
    fn len(&self) -> usize;

    /// Whether the frame has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of the interface it came by.
    fn ingress(&self) -> u32;

    /// The `N` bytes at `offset` to read word by word, or `None` where the frame is too short.
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header<N>>;

    /// Overwrites the `N` words at `offset`, given the way they stand in memory, or changes nothing and returns
    /// `None` where the frame is too short.
    fn store<const N: usize>(&mut self, offset: usize, words: &[u32; N]) -> Option<()>;

    /// Overwrites the two bytes at `offset`, given the way they stand in memory, or changes nothing and returns
    /// `None` where the frame is too short.
    fn store_u16(&mut self, offset: usize, word: u16) -> Option<()>;

    /// Cuts the frame to `len` bytes, or changes nothing and returns `None` where it is shorter.
    fn truncate(&mut self, len: usize) -> Option<()>;

    /// Makes the first `from` bytes of the frame `to` bytes: what follows them keeps its content and then begins at
    /// `to`; what the first `to` bytes hold is not specified. Changes nothing and returns `None` where there is no
    /// room in front of the frame.
    fn refront(&mut self, from: usize, to: usize) -> Option<()>;
}

/// Largest offset that is asked for: the verifier must know a bound.
pub const MAX_OFFSET: usize = 0x3fff;

/// `N` bytes that are known to be there. Words are read the way they stand in memory, wherever they lie: on the
/// wire nothing is aligned.
pub trait Header<const N: usize> {
    /// The byte at `AT`.
    fn u8<const AT: usize>(&self) -> u8;
    /// The two bytes at `AT`.
    fn u16<const AT: usize>(&self) -> u16;
    /// The four bytes at `AT`.
    fn u32<const AT: usize>(&self) -> u32;
    /// The eight bytes at `AT`.
    fn u64<const AT: usize>(&self) -> u64;
}
