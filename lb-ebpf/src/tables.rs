//! The only door to the maps, to time and to chance.

use lb_common::{Backend, Control, Event, Flow, FlowTag, ListenerBucket, Reason, Service, flow};

/// What the packet path may ask and tell.
///
/// Records come by value: the agent may be writing the next version of one while a packet reads it, and each is
/// laid out so that word 0 decides.
pub trait Tables {
    /// Whether this run only asks: nothing is remembered, no ticket is taken, nothing is counted.
    const DRY_RUN: bool;

    /// The global state.
    fn control(&self) -> Option<Control>;

    /// Bucket `index` of both listener tables laid end to end.
    fn listeners(&self, index: u32) -> Option<ListenerBucket>;

    /// Service `number`.
    fn service(&self, number: u32) -> Option<Service>;

    /// The backend number in ring slot `slot`.
    fn slot(&self, slot: u32) -> Option<u16>;

    /// Backend `number`.
    fn backend(&self, number: u16) -> Option<Backend>;

    /// Takes the next ticket of a service's ring: each is handed out once, in order, whatever CPU asks. A dry
    /// run sees the next one and leaves it.
    fn take_ticket(&self, service: u32, side: u32) -> Option<u64>;

    /// The tags of a flow bucket.
    fn tags(&self, bucket: u32) -> Option<flow::FlowTags>;

    /// The tag of one way of a flow bucket.
    fn tag(&self, bucket: u32, way: u32) -> Option<FlowTag>;

    /// Replaces the tag `seen` with [`FlowTag::CLAIMED`], or returns false if another CPU was faster.
    fn claim(&self, bucket: u32, way: u32, seen: FlowTag) -> bool;

    /// Stores a tag that this CPU has claimed.
    fn publish(&self, bucket: u32, way: u32, tag: FlowTag);

    /// What is remembered of the flow at `way`.
    fn flow(&self, bucket: u32, way: u32) -> Option<Flow>;

    /// Writes the whole entry; only between [`Tables::claim`] and [`Tables::publish`].
    fn set_flow(&self, bucket: u32, way: u32, flow: &Flow);

    /// Stores only a flow's tick.
    fn set_seen(&self, bucket: u32, way: u32, seen: u32);

    /// Stores only a flow's state.
    fn set_state(&self, bucket: u32, way: u32, state: u32);

    /// The current tick (jiffies); wraps.
    fn now(&self) -> u32;

    /// The same value, of which the kernel's verifier knows nothing: paths that lead to one place with different
    /// values are then proved once and not each. `T` has no padding and at most eight bytes.
    fn opaque<T: Copy>(&self, value: T) -> T;

    /// Counts one packet.
    fn count(&self, service: u32, reason: Reason, bytes: u64);

    /// Counts one packet forwarded to `backend`; `new` if it began a flow.
    fn count_backend(&self, backend: u16, bytes: u64, new: bool);

    /// Counts a rare event.
    fn count_event(&self, event: Event);
}
