//! The contract between lb's XDP program and its agent.
//!
//! Every value that both sides read is defined here once: a whole number of 64-bit words, no padding the
//! compiler chose, addresses and ports in network order the way they stand in memory, everything else in the
//! host's order.
//! [`ABI_VERSION`] changes whenever one of them does.
//!
//! Word 0 of a record is the one that puts it in force: writers store it last (see [`memory::write`]).
#![cfg_attr(not(feature = "std"), no_std)]

pub mod address;
pub mod admission;
pub mod backend;
pub mod cache;
pub mod control;
pub mod counters;
pub mod decap;
pub mod explained;
pub mod filter;
pub mod flow;
pub mod hash;
pub mod link;
pub mod listener;
pub mod load;
pub mod maps;
#[cfg(feature = "std")]
pub mod memory;
pub mod note;
pub mod reason;
pub mod service;
pub mod stage;

pub use address::Address;
pub use admission::Bound;
pub use backend::Backend;
pub use control::Control;
pub use explained::Explained;
pub use flow::{Flow, FlowTag};
pub use link::Link;
pub use listener::{Listener, ListenerBucket, Pattern};
pub use load::Load;
pub use maps::Map;
pub use note::{BackendNote, ServiceNote};
pub use reason::{Event, Reason};
pub use service::{Cursor, Ring, RingChunk, Service};
pub use stage::{Handover, Stage};

/// Number of the layout of every map. An agent that meets pinned maps with another number must not write them.
pub const ABI_VERSION: u32 = 4;

/// IANA protocol number of TCP (RFC 9293).
pub const TCP: u8 = 6;
/// IANA protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
/// IANA protocol number of ICMP (RFC 792).
pub const ICMP: u8 = 1;
/// IANA protocol number of ICMPv6 (RFC 4443).
pub const ICMPV6: u8 = 58;
