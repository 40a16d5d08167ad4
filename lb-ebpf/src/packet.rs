//! The only door to a packet's bytes.

/// One frame, from its Ethernet header on.
///
/// Offsets and sizes are constants at every call, so that the kernel's verifier sees one comparison and a fixed
/// access.
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

    /// Cuts the frame to `len` bytes, or changes nothing and returns `None` where it is shorter.
    fn truncate(&mut self, len: usize) -> Option<()>;
}

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
