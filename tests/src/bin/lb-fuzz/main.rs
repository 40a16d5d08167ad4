//! Structured fuzzing of the whole pipeline: many millions of frames through the host's build and the kernel's, which must
//! agree in verdict and bytes each time, and in flows, tickets and counts every few hundred frames.
//!
//! Frames are made from a grammar (families, transports, VLANs, options, extension headers, fragments, ICMP errors about
//! flows, tunnels' insides), answered as backends would answer them, and then damaged: bytes changed, cut, repeated.

mod grammar;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use lb_agent::config::Config;
use lb_tests::engines::World;

use grammar::Grammar;

/// Compares the packet path on the host with the one in the kernel.
#[derive(Debug, Parser)]
#[command(
    name = "lb-fuzz",
    after_help = "Example: cargo xtask fuzz -- --seconds 600"
)]
struct Options {
    /// How long, unless that many frames were enough.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Frames after which it ends; 0: none.
    #[arg(long, default_value_t = 0)]
    frames: u64,
    /// Seed of the frames; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

/// Frames between two comparisons of the tables.
const SPAN: u64 = 256;

/// One service of every kind.
const CONFIG: &str = include_str!("fuzz.toml");

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "this loads BPF programs and needs root: `cargo xtask fuzz`"
    );
    // Rates are kept per CPU.
    lb_tests::cpu::stay_on(0)?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let config = Config::parse(CONFIG, "fuzz.toml")?;
    let world = World::new(&config, 1024)?;
    let mut grammar = Grammar::new(seed);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.seconds);
    let mut told = begun;
    let (mut frames, mut skipped) = (0_u64, 0_u64);
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    while Instant::now() < end && (options.frames == 0 || frames < options.frames) {
        for _ in 0..SPAN {
            let frame = grammar.frame();
            let became = world
                .run_quick(&frame)
                .with_context(|| format!("seed {seed}, frame {frames}"))?;
            frames += 1;
            match became {
                Some(became) => {
                    *reasons.entry(became.reason.label()).or_default() += 1;
                    grammar.learn(&became.frame, became.reason);
                }
                None => {
                    skipped += 1;
                    world.align();
                }
            }
        }
        match world.compare_and_align() {
            Ok(()) => {}
            // Two ticks that fell between the engines may let them forget different flows.
            Err(_) if skipped > 0 => world.align(),
            Err(error) => {
                return Err(error.context(format!("seed {seed}, before frame {frames}")));
            }
        }
        if grammar.chance(64) {
            world.age_flows(grammar.below(90) * 250);
            world.align();
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!(
                "lb-fuzz: {frames} frames in {} s",
                begun.elapsed().as_secs()
            );
        }
    }
    println!(
        "{frames} frames in {:.0} s, seed {seed}: host and kernel agreed on every one; {skipped} met a tick of the clock",
        begun.elapsed().as_secs_f64()
    );
    for (reason, count) in reasons {
        println!("{count:>12} {reason}");
    }
    Ok(())
}
