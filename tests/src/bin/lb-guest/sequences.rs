//! Many frames in an order that nobody thought of, on the host and in this kernel, over tables that fill up.
//!
//! The workspace's own tests search further; here it is the kernel that is new.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use lb_tests::{
    engines::{World, test_config},
    frames::{CLIENT_MAC, OUR_MAC, Segment, tcp, udp},
};

use super::vectors::{ENDS, parse};

const FRAMES: u32 = 1500;

/// Has both engines take the frames.
pub fn agree() -> Result<String> {
    let world = World::new(&test_config(), 64)?;
    let mut chance = Chance(0x6c62);
    let mut reasons = BTreeSet::new();
    for number in 0..FRAMES {
        // Now and then every flow is idle for too long. Otherwise none gets older, but the host takes over the ages that
        // the kernel has recorded: a slow machine's clock ticks between the one engine and the other, and of a full
        // bucket the older flow gives its place away.
        world.age_flows(if number % 300 == 299 { 1_000_000 } else { 0 });
        let frame = frame(&mut chance)?;
        let seen = world
            .run(&frame)
            .with_context(|| format!("frame {number}: {frame:02x?}"))?;
        reasons.insert(seen.reason);
    }
    Ok(format!("{FRAMES} frames, {} reasons", reasons.len()))
}

/// A frame of few clients, so that flows meet: whole, with a changed byte and a lost end, or of mere noise.
fn frame(chance: &mut Chance) -> Result<Vec<u8>> {
    const FLAGS: [&str; 12] = [
        "S", "S", "S", "A", "A", "PA", "FA", "R", "SA", "", "SF", "U",
    ];
    let ends = ENDS[chance.below(ENDS.len())];
    let [mut client, web, dns] = parse(ends)?;
    client.set_port(1024 + chance.below(40) as u16);
    let mut frame = match chance.below(8) {
        0 | 1 => udp(client, dns, &vec![0x5a; chance.below(60)]),
        2 => {
            let ether_type = if client.is_ipv4() {
                [0x08, 0x00]
            } else {
                [0x86, 0xdd]
            };
            let noise: Vec<u8> = (0..chance.below(120))
                .map(|_| chance.below(256) as u8)
                .collect();
            [&OUR_MAC[..], &CLIENT_MAC[..], &ether_type[..], &noise[..]].concat()
        }
        _ => {
            let segment = Segment {
                options: chance.below(2) == 0,
                ..Segment::new(FLAGS[chance.below(FLAGS.len())])
                    .at(chance.below(4) as u32)
                    .with(&vec![0xa5; chance.below(40)])
            };
            tcp(client, web, &segment)
        }
    };
    if chance.below(3) == 0 {
        let at = 12 + chance.below(frame.len() - 12);
        frame[at] = chance.below(256) as u8;
        let lost = chance.below(40).min(frame.len() - 14);
        frame.truncate(frame.len() - lost);
    }
    Ok(frame)
}

/// Numbers that look random and are the same in every run (Steele, Lea and Flood's SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_differ_and_are_long_enough_for_the_kernel_to_take() {
        let mut chance = Chance(1);
        let frames: Vec<_> = (0..1000).map(|_| frame(&mut chance).unwrap()).collect();
        assert!(frames.iter().all(|frame| frame.len() >= 14));
        assert!(frames.iter().collect::<BTreeSet<_>>().len() > 800);
    }
}
