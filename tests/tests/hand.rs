//! What is at hand of a flow never says anything but what the flow table would: the same packets go down two roads over
//! the same tables, of which one has nothing at hand, and must fare alike.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{cell::Cell, net::SocketAddr};

use anyhow::Result;
use lb_agent::{config::Config, dataplane::Dataplane as _};
use lb_common::{Backend, Control, Map, Reason, memory};
use lb_ebpf::testing::{HostPacket, HostTables};
use lb_tests::{
    engines::{INGRESS, World},
    frames::{Segment, tcp, turned, udp},
};
use proptest::{prelude::*, test_runner::Config as Runs};

/// Idle times are longer than a whole sequence lasts: how late the table learns of packets may then decide nothing.
const CONFIG: &str = r#"
    [[interface]]
    name = "lo"
    [[service]]
    name = "web"
    listen = ["192.0.2.10:80/tcp"]
    [[service.backend]]
    name = "web-1"
    address = "10.0.1.11"
    [[service.backend]]
    name = "web-2"
    address = "10.0.1.12"
    [[service]]
    name = "translated"
    listen = ["192.0.2.30:80/tcp", "192.0.2.30:53/udp"]
    udp_idle = "1h"
    forward = "nat"
    [[service.backend]]
    name = "nat-1"
    address = "10.0.1.13"
    [[service.backend]]
    name = "nat-2"
    address = "10.0.1.14"
"#;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happens {
    /// A client sends a segment with these flags to this service.
    Segment(u8, bool, &'static str),
    /// A client sends a datagram.
    Datagram(u8),
    /// The backend that last got a packet answers it, with these flags where it is TCP.
    Answer(bool),
    /// Time goes by, in ticks.
    Ticks(u32),
    /// A backend may serve no more, or again.
    Serves(u16, bool),
}

fn happens() -> impl Strategy<Value = Happens> {
    let flags = prop_oneof![4 => Just("A"), 2 => Just("S"), 1 => Just("FA"), 1 => Just("R")];
    prop_oneof![
        12 => (0_u8..3, any::<bool>(), flags).prop_map(|(c, nat, f)| Happens::Segment(c, nat, f)),
        4 => (0_u8..3).prop_map(Happens::Datagram),
        6 => any::<bool>().prop_map(Happens::Answer),
        2 => (1_u32..3_000).prop_map(Happens::Ticks),
        1 => (0_u16..4, any::<bool>()).prop_map(|(b, s)| Happens::Serves(b, s)),
    ]
}

/// One of the two roads.
struct Road {
    tables: HostTables,
    /// The last frame that a backend was sent under another address.
    sent: Option<Vec<u8>>,
}

impl Road {
    fn over(world: &World, is_forgetful: bool) -> Result<Self> {
        let tables = HostTables {
            memory: memory::HostMemory::new(world.buckets),
            ..HostTables::default()
        };
        world.mirror_to(&tables.memory);
        tables.now.set(world.kernel.now()?);
        tables.is_forgetful.set(is_forgetful);
        Ok(Self { tables, sent: None })
    }

    /// What became of it, if it was a packet.
    fn take(&mut self, happens: &Happens) -> Option<(String, Vec<u8>)> {
        let frame = match happens {
            Happens::Segment(client, translated, flags) => {
                let vip = if *translated {
                    "192.0.2.30:80"
                } else {
                    "192.0.2.10:80"
                };
                tcp(address(*client), vip.parse().unwrap(), &Segment::new(flags))
            }
            Happens::Datagram(client) => {
                udp(address(*client), "192.0.2.30:53".parse().unwrap(), b"?")
            }
            Happens::Answer(ends) => answer(self.sent.as_ref()?, *ends),
            Happens::Ticks(ticks) => {
                let now = &self.tables.now;
                now.set(now.get().wrapping_add(*ticks));
                return None;
            }
            Happens::Serves(number, serves) => {
                let words = memory::Memory::words(&self.tables.memory, Map::Backends);
                let mut backend: Backend = memory::read(words, u32::from(*number)).unwrap();
                backend.flags = if *serves {
                    backend.flags | Backend::SERVES
                } else {
                    backend.flags & !Backend::SERVES
                };
                memory::write(words, u32::from(*number), &backend);
                return None;
            }
        };
        let mut packet = HostPacket {
            bytes: frame,
            ingress: INGRESS,
        };
        let outcome = self.tables.run(&mut packet);
        let to_backend = matches!(
            outcome.reason,
            Reason::FlowHit | Reason::FlowNew | Reason::FlowReused | Reason::FlowMoved
        );
        if to_backend && packet.bytes[30..33] != [192, 0, 2] {
            self.sent = Some(packet.bytes.clone());
        }
        Some((format!("{outcome:?}"), packet.bytes))
    }
}

fn address(client: u8) -> SocketAddr {
    ([198, 51, 100, client], 40_000).into()
}

/// The answer to a frame, with its flags where it is TCP, or ACK alone.
fn answer(sent: &[u8], with_its_flags: bool) -> Vec<u8> {
    let mut frame = turned(sent, false);
    let is_tcp = frame[23] == lb_common::TCP;
    if is_tcp && !with_its_flags {
        // ACK alone: in the middle of a connection, whatever was sent. Nobody here sums a payload.
        frame[47] = 0x10;
    }
    frame
}

#[test]
fn what_is_at_hand_is_what_the_table_says() {
    let config = Config::parse(CONFIG, "hand.toml").unwrap();
    let world = World::new(&config, 4096).unwrap();
    let hits = Cell::new(0);
    proptest!(Runs::with_cases(40), |(sequence in prop::collection::vec(happens(), 300..900))| {
        let (mut quick, mut slow) = (Road::over(&world, false).unwrap(), Road::over(&world, true).unwrap());
        for (step, happens) in sequence.iter().enumerate() {
            let (one, other) = (quick.take(happens), slow.take(happens));
            prop_assert_eq!(one, other, "step {} of {:?}", step, &sequence);
        }
        prop_assert_eq!(&*quick.tables.counters.borrow(), &*slow.tables.counters.borrow());
        prop_assert!(slow.tables.cache.borrow().is_empty());
        hits.set(hits.get() + quick.tables.cache.borrow().len());
    });
    let hits = hits.get();
    assert!(hits > 300, "hardly anything was ever at hand: {hits}");
}

#[test]
fn a_flow_that_was_silent_for_long_is_not_at_hand() {
    let short = CONFIG.replace("udp_idle = \"1h\"", "udp_idle = \"10s\"");
    let config = Config::parse(&short, "hand.toml").unwrap();
    let world = World::new(&config, 4096).unwrap();
    let control: Control =
        memory::read(memory::Memory::words(&*world.kernel, Map::Control), 0).unwrap();
    let idle = 12 * control.hz;
    // Every whole turn of the clock, so that no number of turns is one like another.
    for turns in (1..=130).map(|turn: u32| turn << control.turn) {
        if turns < idle {
            continue;
        }
        let mut road = Road::over(&world, false).unwrap();
        for _ in 0..3 {
            road.take(&Happens::Datagram(1)).unwrap();
        }
        assert_eq!(road.tables.cache.borrow().len(), 1);
        road.take(&Happens::Ticks(turns));
        let (outcome, _) = road.take(&Happens::Datagram(1)).unwrap();
        assert!(outcome.contains("FlowReused"), "{turns} ticks: {outcome}");
    }
}
