//! Why a packet left the road, and rare things that happened on the way.

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $help:literal])+ $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[doc = $help])+ $variant,)+ }

        impl $name {
            /// Every value in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The metric's label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// One sentence for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($help,)+).trim_ascii(),)+ }
            }

            /// The value with this number.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.get(number as usize).copied()
            }
        }
    };
}

reasons! {
    /// Why a packet was passed, forwarded, answered or dropped: the counter's index and the metric's label.
    Reason {
        /// Forwarded: it follows its flow.
        FlowHit = "flow_hit",
        /// Forwarded: first packet of a flow, the scheduler chose.
        FlowNew = "flow_new",
        /// Forwarded: a SYN or a datagram on the five-tuple of a flow that has ended, the scheduler chose anew.
        FlowReused = "flow_reused",
        /// Forwarded: its flow's backend may not serve it any more, the scheduler chose anew.
        FlowMoved = "flow_moved",
        /// Forwarded: mid-flow packet of an unknown flow, to the backend that the consistent scheduler gives it.
        FlowFallback = "flow_fallback",
        /// Forwarded to the client: the answer of a backend, translated back.
        FlowReply = "flow_reply",
        /// Forwarded: a later fragment follows the first.
        Fragment = "fragment",
        /// Forwarded: an ICMP error about a flow, to the end that must learn of it.
        IcmpError = "icmp_error",
        /// Answered: an echo request to a VIP.
        Echo = "echo",
        /// Answered with an ICMP error: too long for the way to its backend.
        TooBig = "too_big",
        /// Answered with an ICMP error: its time to live or hop limit ran out here.
        Expired = "expired",
        /// Passed to the host: not IPv4 or IPv6.
        NotIp = "not_ip",
        /// Passed to the host: sent to a multicast or broadcast MAC address.
        NotUnicast = "not_unicast",
        /// Passed to the host: neither TCP nor UDP, nor ICMP about a flow.
        NotTcpUdp = "not_tcp_udp",
        /// Passed to the host: its destination is no service.
        NoService = "no_service",
        /// Passed to the host: its listener was removed and it belongs to no flow that lives on.
        Closing = "closing",
        /// Answered with a TCP reset: it belongs to no known flow.
        ResetNoFlow = "reset_no_flow",
        /// Answered with a TCP reset: its flow's backend may not serve it any more.
        ResetBackendGone = "reset_backend_gone",
        /// Answered with a TCP reset: no backend may be given a new flow.
        ResetNoBackend = "reset_no_backend",
        /// Answered with a TCP reset: no port is left on the source addresses for a new flow to its backend.
        ResetNoPort = "reset_no_port",
        /// Dropped: UDP, and no port is left on the source addresses for a new flow to its backend.
        NoPort = "no_port",
        /// Dropped: its source is not let in by the service.
        Denied = "denied",
        /// Dropped: a later fragment whose first was not seen.
        FragmentEarly = "fragment_early",
        /// Dropped: a first fragment without its whole transport header, or one that lies across it (RFC 1858).
        FragmentTiny = "fragment_tiny",
        /// Dropped: a second first fragment that names another flow (RFC 5722).
        FragmentOverlap = "fragment_overlap",
        /// Dropped: it cannot be translated between IPv4 and IPv6 (RFC 7915).
        Untranslatable = "untranslatable",
        /// Dropped: an ICMP message of our own was due, and this CPU has sent enough of them.
        RateLimited = "rate_limited",
        /// Dropped: more extension headers than are walked.
        TooManyHeaders = "too_many_headers",
        /// Dropped: a header runs past the end of the frame.
        Truncated = "truncated",
        /// Dropped: IP version, header length or extension header is wrong.
        BadIpHeader = "bad_ip_header",
        /// Dropped: the IP or UDP length disagrees with the frame.
        BadLength = "bad_length",
        /// Dropped: TCP header length or flags are wrong.
        BadTcpHeader = "bad_tcp_header",
        /// Dropped: a TCP reset whose flow is unknown or whose backend may not serve it (a reset is never answered).
        StrayReset = "stray_reset",
        /// Dropped: UDP, and no backend may be given a new flow.
        NoBackend = "no_backend",
        /// Dropped: the flow's backend has no known next hop.
        NoNextHop = "no_next_hop",
        /// Dropped: a table did not hold what another one promised.
        Inconsistent = "inconsistent",
    }
}

reasons! {
    /// Rare things worth a counter of their own, beside the packet's reason.
    Event {
        /// A live flow was forgotten to make room: the flow table is too small.
        FlowEvicted = "flow_evicted",
        /// A flow could not be recorded because other CPUs were writing both its buckets.
        FlowUnrecorded = "flow_unrecorded",
        /// A new flow found no free port on the source addresses of its backend.
        PortsExhausted = "ports_exhausted",
        /// A ring slot named a backend that may not be given new flows; the next slots were tried.
        SlotSkipped = "slot_skipped",
    }
}
