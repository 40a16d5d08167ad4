//! The only code that edits the bytes of what it sends on.

#[cfg(test)]
#[cfg(feature = "testing")]
pub(crate) mod frames;
pub mod front;
pub mod icmp;
pub mod mss;
pub mod nat;
pub mod options;
pub mod refusal;
pub mod tunnel;

pub use refusal::Refusal;
