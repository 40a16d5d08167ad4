//! The only door to the maps, to time and to chance.

use lb_common::{
    Address, Backend, Bound, Control, Event, Flow, FlowTag, Handover, Link, ListenerBucket, Load,
    Pattern, Reason, Service, cache::Kept,
};

use crate::{forward::front::Way, select::bind};

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

    /// Entry `index` of both pattern lists laid end to end.
    fn pattern(&self, index: u32) -> Option<Pattern>;

    /// Service `number`.
    fn service(&self, number: u32) -> Option<Service>;

    /// The backend number in ring slot `slot`.
    fn slot(&self, slot: u32) -> Option<u16>;

    /// Ring slots `slot` and the next one; `slot` is even.
    fn pair(&self, slot: u32) -> Option<[u16; 2]>;

    /// Backend `number`.
    fn backend(&self, number: u16) -> Option<Backend>;

    /// The flows of backend `number`.
    fn load(&self, number: u16) -> Option<Load>;

    /// Counts a flow of backend `number` as begun.
    fn flow_begun(&self, number: u16);

    /// Counts a flow of backend `number` as ended.
    fn flow_ended(&self, number: u16);

    /// Source address `number`.
    fn source(&self, number: u16) -> Option<Address>;

    /// Link `number`.
    fn link(&self, number: u32) -> Option<Link>;

    /// Entry `index` of the admission bounds.
    fn bound(&self, index: u32) -> Option<Bound>;

    /// Word `index` of both filters laid end to end.
    fn filter(&self, index: u32) -> Option<u64>;

    /// What this CPU has at hand under `key` of a flow with this hash.
    fn at_hand(&self, hash: u64, key: u64) -> Option<Kept>;

    /// Keeps `kept` at hand under `key`, of a flow with this hash.
    fn keep_at_hand(&self, hash: u64, key: u64, kept: Kept);

    /// The current epoch of flows with this tag.
    fn epoch(&self, tag: u32) -> u64;

    /// Begins a new epoch for flows with this tag: whatever CPUs have at hand of them is void.
    fn begin_epoch(&self, tag: u32);

    /// Takes the next ticket of a service's ring: each is handed out once, in order, whatever CPU asks. A dry
    /// run sees the next one and leaves it.
    fn take_ticket(&self, service: u32, side: u32) -> Option<u64>;

    /// The ways of a flow bucket that have this tag, one bit each.
    fn tagged(&self, bucket: u32, tag: u32) -> u32;

    /// The ways of a flow bucket that are free, one bit each.
    fn free(&self, bucket: u32) -> u32;

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
    fn set_state(&self, bucket: u32, way: u32, state: u8);

    /// The current tick (jiffies); wraps.
    fn now(&self) -> u32;

    /// Stores only where a flow's twin stands.
    fn set_twin(&self, bucket: u32, way: u32, twin: u32);

    /// The way by the host's routes for a packet between these addresses that came by interface `ingress`; none where
    /// there is no route, its neighbour is not known, or it leads through an interface that takes no frames as they are.
    fn route(&self, source: &Address, destination: &Address, ingress: u32) -> Option<Way>;

    /// Lets the next stage see `handover`.
    fn hand_over(&self, handover: &Handover);

    /// Adds a backend's number to what is handed over.
    fn set_backend(&self, number: u16);

    /// Sets how many ports were tried in what is handed over.
    fn set_drawn(&self, drawn: u32);

    /// Adds the ends of a translated flow to what is handed over.
    fn set_bound(&self, bound: bind::Bound);

    /// What the stage before handed over.
    fn handed_over(&self) -> Option<Handover>;

    /// Whether this CPU may send one more ICMP message of its own, which it then has: at most `burst` in a tenth of a
    /// second.
    fn may_send(&self, burst: u32, tenth: u32) -> bool;

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
