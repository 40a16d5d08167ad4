use super::*;
use crate::{
    forward::frames::{Frame, INGRESS, TAGS, Transport, in_memory, way},
    header::ethernet::{IPV4, IPV6},
    packet::Header,
    testing::HostPacket,
};

/// A packet that counts what is done to it.
struct Counted {
    inner: HostPacket,
    moves: usize,
    stored: usize,
}

impl Packet for Counted {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn ingress(&self) -> u32 {
        self.inner.ingress()
    }

    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header<N>> {
        self.inner.header::<N>(offset)
    }

    fn store<const N: usize>(&mut self, offset: usize, words: &[u32; N]) -> Option<()> {
        self.stored += 4 * N;
        self.inner.store(offset, words)
    }

    fn store_u16(&mut self, offset: usize, word: u16) -> Option<()> {
        self.stored += 2;
        self.inner.store_u16(offset, word)
    }

    fn truncate(&mut self, len: usize) -> Option<()> {
        self.inner.truncate(len)
    }

    fn refront(&mut self, from: usize, to: usize) -> Option<()> {
        self.moves += 1;
        self.inner.refront(from, to)
    }
}

fn frame(tags: [u16; 2]) -> Frame {
    Frame {
        tags,
        ..Frame::new("192.0.2.1:1", "192.0.2.2:2", Transport::Udp, 40)
    }
}

fn counted(frame: &Frame) -> Counted {
    Counted {
        inner: frame.packet(),
        moves: 0,
        stored: 0,
    }
}

#[test]
fn tags_are_pushed_popped_and_replaced() {
    for tags in TAGS {
        for leaving in TAGS {
            let frame = frame(tags);
            let mut packet = counted(&frame);
            let at = write(&mut packet, &way(leaving), frame.parsed().l3, 0, IPV4).unwrap();
            assert_eq!(packet.inner.bytes, frame.sent(leaving).bytes());
            assert_eq!(at, len(&in_memory(leaving)));
            assert_eq!(
                packet.moves,
                usize::from(frame.parsed().l3 != at),
                "{tags:x?} to {leaving:x?}"
            );
        }
    }
}

#[test]
fn an_untagged_frame_costs_twelve_bytes() {
    let frame = frame([0, 0]);
    let mut packet = counted(&frame);
    write(&mut packet, &way([0, 0]), 14, 0, IPV4).unwrap();
    assert_eq!((packet.moves, packet.stored), (0, 12));
}

#[test]
fn room_is_made_and_taken_with_one_move() {
    for tags in TAGS {
        for leaving in TAGS {
            for room in [-40_isize, -20, -1, 8, 20, 52] {
                let frame = frame(tags);
                let mut packet = counted(&frame);
                let l3 = frame.parsed().l3;
                let at = write(&mut packet, &way(leaving), l3, room, IPV6).unwrap();
                let v6 = Frame::new("[::1]:1", "[::2]:2", Transport::Udp, 0).sent(leaving);
                assert_eq!(packet.inner.bytes[..at], v6.front());
                let (made, taken) = (room.max(0) as usize, (-room).max(0) as usize);
                assert_eq!(packet.inner.bytes[at + made..], frame.ip()[taken..]);
                assert!(packet.moves <= 1);
            }
        }
    }
}

#[test]
fn the_version_may_change_in_the_same_room() {
    let frame = frame([0, 0]);
    let mut packet = frame.packet();
    rewrite(&mut packet, &way([0, 0]), 14, 0, IPV6).unwrap();
    assert_eq!(packet.bytes[12..14], [0x86, 0xdd]);
    assert_eq!(packet.bytes[14..], frame.ip());
}

#[test]
fn no_room_in_front_is_an_error() {
    let frame = frame([0, 0]);
    let mut packet = frame.packet();
    assert_eq!(write(&mut packet, &way([0, 0]), 14, 300, IPV4), None);
    assert_eq!(packet, frame.packet());
}

#[test]
fn a_frame_leaves_by_its_way() {
    let packet = frame([0, 0]).packet();
    assert_eq!(leave(&packet, &way([0, 0])), Verdict::Redirect(9));
    let back = Way {
        ifindex: INGRESS,
        ..way([0, 0])
    };
    assert_eq!(leave(&packet, &back), Verdict::Tx);
}

#[test]
fn the_way_to_a_backend_is_its_own() {
    let way = way(TAGS[2]);
    let backend = Backend {
        ifindex: way.ifindex,
        ethernet: way.ethernet,
        tags: way.tags,
        ..Backend::default()
    };
    assert_eq!(Way::to(&backend), way);
}
