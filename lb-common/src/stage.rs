//! The programs a packet may be handed on to, and what is handed over with it.

use crate::flow::FlowKey;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! stages {
    ($(#[doc = $help:literal] $stage:ident = $number:literal, $program:literal, $dry_run:literal;)+) => {
        /// A program of the road, each verified by itself. The number is its place in the map of programs, plus
        /// [`Stage::COUNT`] for the one of a dry run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Stage { $(#[doc = $help] $stage = $number,)+ }

        impl Stage {
            /// Every stage in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$stage,)+];
            /// Number of stages.
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// The stage with this number; the first for any other number.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$stage,)+
                    _ => Self::Road,
                }
            }

            /// Name of its program.
            pub const fn program(self, dry_run: bool) -> &'static str {
                match (self, dry_run) {
                    $((Self::$stage, false) => $program, (Self::$stage, true) => $dry_run,)+
                }
            }
        }
    };
}

stages! {
    /// Where every frame comes in: what belongs to a flow at hand leaves from here.
    Road = 0, "lb", "lb_dry_run";
    /// Frames that are not simply IP and then TCP or UDP are read here: options, extension headers, fragments.
    Walk = 1, "lb_walk", "lb_dry_walk";
    /// Whose packet it is.
    Select = 2, "lb_select", "lb_dry_select";
    /// Flows begin here.
    Begin = 3, "lb_begin", "lb_dry_begin";
    /// Those that are translated are given a port.
    Bind = 4, "lb_bind", "lb_dry_bind";
    /// Flows that have all they need are remembered.
    Record = 5, "lb_record", "lb_dry_record";
    /// First fragments whose destination was found: the later ones will follow them.
    Fragment = 6, "lb_fragment", "lb_dry_fragment";
    /// Packets whose destination was found leave from here.
    Depart = 7, "lb_depart", "lb_dry_depart";
    /// ICMP and ICMPv6: what it is about.
    Icmp = 8, "lb_icmp", "lb_dry_icmp";
    /// ICMP errors leave from here to the end that must learn of them.
    Notify = 9, "lb_notify", "lb_dry_notify";
    /// Packets of our own: resets and ICMP errors.
    Answer = 10, "lb_answer", "lb_dry_answer";
    /// Packets of open flows that are not at hand leave from here.
    Open = 11, "lb_open", "lb_dry_open";
}

/// What one stage tells the next beside the packet. 112 bytes; one per CPU.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Handover {
    /// What to do: `TO_BACKEND`, `TO_CLIENT`, `RESET`, `TOO_BIG`, `EXPIRED`.
    pub task: u32,
    /// [`crate::Reason`] it is counted under.
    pub reason: u32,
    /// Service it is counted under.
    pub service: u32,
    /// Too big: the longest packet that would have fitted, in bytes.
    pub mtu: u32,
    /// Where the IP header begins in the frame.
    pub l3: u16,
    /// Where the transport header begins in the frame.
    pub l4: u16,
    /// Length of the IP packet in bytes.
    pub len: u16,
    /// IP version: 4 or 6.
    pub version: u8,
    /// TCP: flags of byte 13. Else 0.
    pub flags: u8,
    /// Its five-tuple, as seen from the sender.
    pub key: FlowKey,
    /// 0 for a whole packet, 1 for a first fragment, 2 for a later one.
    pub part: u32,
    /// Largest TCP segment that a SYN may announce, 0 for any.
    pub mss: u16,
    /// To a backend: its number.
    pub backend: u16,
    /// To a backend, translated: number of the source address.
    pub source: u16,
    /// To a backend, translated: the source port, in network order the way it stands in memory.
    pub port: u16,
    /// To a client: where its flow stands. To a backend, of a flow that begins: where a former one with its five-tuple
    /// stands, if there is one.
    pub flow: u32,
    /// TCP: sequence number, the way it stands in memory. Else 0.
    pub sequence: u32,
    /// Ports that were tried for its flow.
    pub drawn: u32,
    /// To a backend, translated, of a flow that begins: where its reply entry stands.
    pub twin: u32,
    /// Identification of the packet a fragment is part of. ICMP error: where the IP header it quotes begins in the
    /// frame, and the transport header behind that, as two halves.
    pub id: u32,
}

impl Handover {
    /// Bring it to a backend.
    pub const TO_BACKEND: u32 = 1;
    /// Bring a backend's answer to its client.
    pub const TO_CLIENT: u32 = 2;
    /// Answer it with a TCP reset.
    pub const RESET: u32 = 3;
    /// Answer it with ICMP's fragmentation needed, ICMPv6's packet too big.
    pub const TOO_BIG: u32 = 4;
    /// Answer it with ICMP's time to live exceeded, ICMPv6's hop limit exceeded.
    pub const EXPIRED: u32 = 5;
}
