//! An XDP program that passes every frame, for the other end of the balancer's cables.
//!
//! veth delivers what a program sends with XDP_TX only when the receiving end runs a program too: without one the
//! frames are counted as sent and stay in a ring that nobody is told of, until some ordinary packet comes along.
//! GRO at the receiving end, which is enough for XDP_REDIRECT, is not enough for XDP_TX (the kernel's
//! `veth_xdp_flush` asks for a program; measured on Linux 6.18).
//!
//! It takes frames in several pieces: else the balancer's end could not have an MTU above a page's.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    programs::{Xdp, XdpMode},
};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use super::Namespace;

/// The program on one interface; dropping it detaches.
#[derive(Debug)]
pub(super) struct Pass {
    _program: Ebpf,
}

impl Pass {
    /// Attaches it to `device` in `namespace`, in native mode.
    pub(super) fn attach(namespace: &Namespace, device: &str) -> Result<Self> {
        let program = namespace
            .run(|| load(device))?
            .with_context(|| format!("attaching to {device} in {}", namespace.name()))?;
        Ok(Self { _program: program })
    }
}

fn load(device: &str) -> Result<Ebpf> {
    let mut ebpf = Ebpf::load(&object_file()?)?;
    let program: &mut Xdp = ebpf
        .program_mut(NAME)
        .context("the program is not in its own object file")?
        .try_into()?;
    program.load()?;
    program.attach(device, XdpMode::Driver)?;
    Ok(ebpf)
}

const NAME: &str = "pass";

/// `r0 = XDP_PASS; exit`
const CODE: [u8; 16] = [
    0xb7, 0, 0, 0, 2, 0, 0, 0, //
    0x95, 0, 0, 0, 0, 0, 0, 0,
];

/// aya loads object files only, and two instructions are not worth a compiler.
fn object_file() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = object.add_section(Vec::new(), b"xdp.frags".to_vec(), SectionKind::Text);
    object.append_section_data(section, &CODE, 8);
    object.add_symbol(Symbol {
        name: NAME.into(),
        value: 0,
        size: CODE.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    object.write().context("writing an object file")
}
