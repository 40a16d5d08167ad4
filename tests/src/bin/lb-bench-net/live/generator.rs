//! The client's end of a cable: makes frames, and counts and drops those that come back.

use std::{env, fs, iter, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunAttrs, TestRunOptions,
    maps::{Array, MapData, PerCpuArray},
    programs::{Xdp, XdpMode},
};
use lb_tests::{cpu, lab::Lab};
use rustix::net::{AddressFamily, SocketType, netdevice::name_to_index, socket};

use super::cases::FRAME;

/// The programs, and what they are told.
pub struct Generator {
    programs: Ebpf,
    template: Array<MapData, [u64; FRAME / 8]>,
    flows: Array<MapData, u32>,
    received: PerCpuArray<MapData, [u64; 2]>,
    interface: u32,
    macs: [[u8; 6]; 2],
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Packets.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// Frames that the kernel makes at once: as many as a driver hands over in one poll.
const BATCH: u32 = 64;
/// The CPU that everything is done on.
const CPU: usize = 1;

impl Generator {
    /// Attaches the receiver to the client's `eth0`.
    pub fn new(lab: &Lab) -> Result<Self> {
        let (interface, mut programs) = lab.in_namespace("client", attach)??;
        let mut take = |name: &str| {
            programs
                .take_map(name)
                .with_context(|| format!("no map {name}"))
        };
        Ok(Self {
            template: Array::try_from(take("GENERATOR_FRAME")?)?,
            flows: Array::try_from(take("GENERATOR_FLOWS")?)?,
            received: PerCpuArray::try_from(take("GENERATOR_RECEIVED")?)?,
            programs,
            interface,
            macs: [lab.addresses("lb")?.mac, lab.addresses("client")?.mac],
        })
    }

    /// Sends so many packets of so many flows.
    pub fn send(
        &mut self,
        lab: &Lab,
        frame: &[u8],
        flows: u32,
        packets: u32,
    ) -> Result<(Arrived, Duration)> {
        ensure!(frame.len() == FRAME, "a frame of {} bytes", frame.len());
        let frame = [&self.macs.concat(), &frame[12..]].concat();
        let mut template = [0; FRAME / 8];
        for (word, bytes) in iter::zip(&mut template, frame.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into()?);
        }
        self.template.set(0, template, 0)?;
        self.flows.set(0, flows - 1, 0)?;
        let context = context(self.interface);
        let before = self.received()?;
        let generate = program(&mut self.programs, "lb_generate")?;
        let took = lab.in_namespace("client", || -> Result<Duration> {
            cpu::stay_on(CPU)?;
            let result = generate.test_run(TestRunOptions {
                data_in: Some(&frame),
                ctx_in: Some(&context),
                repeat: packets,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
                ..TestRunOptions::default()
            })?;
            // The kernel's own measure: from outside one would also see it make and take down its pages, which takes as
            // long as a hundred thousand packets.
            Ok(result.duration * packets)
        })??;
        let after = self.received()?;
        let arrived = Arrived {
            packets: after.packets - before.packets,
            bytes: after.bytes - before.bytes,
        };
        Ok((arrived, took))
    }

    fn received(&self) -> Result<Arrived> {
        let values = self.received.get(&0, 0)?;
        let sum = |index: usize| values.iter().map(|value| value[index]).sum();
        Ok(Arrived {
            packets: sum(0),
            bytes: sum(1),
        })
    }
}

/// Loads the object.
pub fn load() -> Result<Ebpf> {
    let path = object();
    let bytes =
        fs::read(&path).with_context(|| format!("{}: run `cargo xtask build`", path.display()))?;
    Ok(EbpfLoader::new().load(&bytes)?)
}

/// One of its programs.
pub fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf
        .program_mut(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

fn attach() -> Result<(u32, Ebpf)> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let interface = name_to_index(socket, "eth0").context("looking for eth0")?;
    let mut ebpf = load()?;
    program(&mut ebpf, "lb_generate")?.load()?;
    let receive = program(&mut ebpf, "lb_receive")?;
    receive.load()?;
    receive.attach("eth0", XdpMode::Driver)?;
    Ok((interface, ebpf))
}

/// `struct xdp_md` of a frame that came by this interface.
fn context(interface: u32) -> [u8; 24] {
    let words = [0, FRAME as u32, 0, interface, 0, 0];
    let mut context = [0; 24];
    for (bytes, word) in iter::zip(context.chunks_exact_mut(4), words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    context
}

fn object() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    env::var("LB_GENERATOR_OBJECT").map_or_else(
        |_| here.join("../target/bpf/generator.bpf.o"),
        PathBuf::from,
    )
}
