//! The list of maps: one name, value size and capacity for both sides.

use crate::{
    Address, Backend, BackendNote, Bound, Control, Cursor, Explained, Flow, Link, ListenerBucket,
    Load, Pattern, RingChunk, Service, ServiceNote, admission, cache, counters, filter, flow, link,
    listener,
};

/// Services, number 0 excluded (it stands for "none").
pub const MAX_SERVICES: u32 = 4096;
/// Backends of all services together.
pub const MAX_BACKENDS: u32 = 16_384;
/// Chunks of [`crate::service::CHUNK`] ring slots, of all services together.
pub const MAX_RING_CHUNKS: u32 = 65_536;
/// Source addresses of translated flows, of all services together.
pub const MAX_SOURCES: u32 = 1024;
/// Flow buckets the object declares; the agent sets the number that the configuration asks for.
pub const DEFAULT_FLOW_BUCKETS: u32 = 8192;

/// A map that both sides see as words and the agent maps into its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Map {
    /// [`Control`], one entry.
    Control,
    /// [`ListenerBucket`]: side 0, then side 1.
    Listeners,
    /// [`Service`] by number.
    Services,
    /// [`Cursor`] by service number.
    Cursors,
    /// [`RingChunk`].
    Ring,
    /// [`Backend`] by number.
    Backends,
    /// [`flow::FlowTags`] by bucket.
    FlowTags,
    /// [`Flow`] by bucket times [`flow::WAYS`] plus way.
    Flows,
    /// [`ServiceNote`] by service number; the agent's own.
    ServiceNotes,
    /// [`BackendNote`] by backend number; the agent's own.
    BackendNotes,
    /// [`Explained`], one entry.
    Explained,
    /// [`Pattern`]: side 0, then side 1.
    Patterns,
    /// [`Address`] by source number; zero where the number is free.
    Sources,
    /// [`Link`] by number.
    Links,
    /// [`Bound`].
    Bounds,
    /// [`Load`] by backend number.
    Loads,
    /// Words of the [`filter`]: side 0, then side 1.
    Filter,
    /// The epochs of the flow [`cache`], a `u64` each.
    Epochs,
}

impl Map {
    /// Every map of this kind, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::Control,
        Self::Listeners,
        Self::Services,
        Self::Cursors,
        Self::Ring,
        Self::Backends,
        Self::FlowTags,
        Self::Flows,
        Self::ServiceNotes,
        Self::BackendNotes,
        Self::Explained,
        Self::Patterns,
        Self::Sources,
        Self::Links,
        Self::Bounds,
        Self::Loads,
        Self::Filter,
        Self::Epochs,
    ];

    /// Name of the map in the object and of its pin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "LB_CONTROL",
            Self::Listeners => "LB_LISTENERS",
            Self::Services => "LB_SERVICES",
            Self::Cursors => "LB_CURSORS",
            Self::Ring => "LB_RING",
            Self::Backends => "LB_BACKENDS",
            Self::FlowTags => "LB_FLOW_TAGS",
            Self::Flows => "LB_FLOWS",
            Self::ServiceNotes => "LB_SVC_NOTES",
            Self::BackendNotes => "LB_BE_NOTES",
            Self::Explained => "LB_EXPLAINED",
            Self::Patterns => "LB_PATTERNS",
            Self::Sources => "LB_SOURCES",
            Self::Links => "LB_LINKS",
            Self::Bounds => "LB_BOUNDS",
            Self::Loads => "LB_LOADS",
            Self::Filter => "LB_FILTER",
            Self::Epochs => "LB_EPOCHS",
        }
    }

    /// Bytes of one value; a multiple of 8.
    pub const fn value_bytes(self) -> usize {
        match self {
            Self::Control => size_of::<Control>(),
            Self::Listeners => size_of::<ListenerBucket>(),
            Self::Services => size_of::<Service>(),
            Self::Cursors => size_of::<Cursor>(),
            Self::Ring => size_of::<RingChunk>(),
            Self::Backends => size_of::<Backend>(),
            Self::FlowTags => size_of::<flow::FlowTags>(),
            Self::Flows => size_of::<Flow>(),
            Self::ServiceNotes => size_of::<ServiceNote>(),
            Self::BackendNotes => size_of::<BackendNote>(),
            Self::Explained => size_of::<Explained>(),
            Self::Patterns => size_of::<Pattern>(),
            Self::Sources => size_of::<Address>(),
            Self::Links => size_of::<Link>(),
            Self::Bounds => size_of::<Bound>(),
            Self::Loads => size_of::<Load>(),
            Self::Filter | Self::Epochs => size_of::<u64>(),
        }
    }

    /// Entries, where the flow table has `flow_buckets` buckets.
    pub const fn entries(self, flow_buckets: u32) -> u32 {
        match self {
            Self::Control | Self::Explained => 1,
            Self::Listeners => 2 * listener::MAX_BUCKETS,
            Self::Services | Self::Cursors | Self::ServiceNotes => MAX_SERVICES,
            Self::Ring => MAX_RING_CHUNKS,
            Self::Backends | Self::BackendNotes | Self::Loads => MAX_BACKENDS,
            Self::Patterns => 2 * listener::MAX_PATTERNS,
            Self::Sources => MAX_SOURCES,
            Self::Links => link::MAX_LINKS,
            Self::Bounds => admission::MAX_BOUNDS,
            Self::Filter => 2 * filter::WORDS,
            Self::Epochs => cache::EPOCHS,
            Self::FlowTags => flow_buckets,
            Self::Flows => flow_buckets * flow::WAYS,
        }
    }
}

/// Name of the per-CPU counters by service and reason ([`counters::PacketsBytes`]).
pub const COUNTERS: &str = "LB_COUNTERS";
/// Entries of [`COUNTERS`].
pub const COUNTERS_ENTRIES: u32 = MAX_SERVICES * counters::REASONS_PER_SERVICE;
/// Name of the per-CPU counters by backend ([`counters::BackendCounts`]).
pub const BACKEND_COUNTERS: &str = "LB_BE_COUNTERS";
/// Name of the per-CPU counters by [`crate::Event`] (`u64`).
pub const EVENTS: &str = "LB_EVENTS";
/// Entries of [`EVENTS`].
pub const EVENTS_ENTRIES: u32 = 8;

/// Name of the map of programs, by [`crate::Stage`], that take frames in one piece.
pub const STAGES: &str = "LB_STAGES";
/// Name of the map of programs, by [`crate::Stage`], that take frames in several pieces as well: the kernel allows only
/// one kind in a map.
pub const STAGES_JUMBO: &str = "LB_STAGES_JUMBO";
/// Name of the per-CPU [`crate::Handover`].
pub const HANDOVER: &str = "LB_HANDOVER";
/// Name of the per-CPU rate of ICMP messages of our own: a tick, and how many since ([`u64`] of two halves).
pub const RATE: &str = "LB_RATE";
/// Name of the flow cache ([`cache::Line`]): [`cache::LINES`] for each CPU, one CPU's after the other's. Each load of the
/// programs has its own.
pub const CACHE: &str = "LB_CACHE";
