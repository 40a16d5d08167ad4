//! The two doors, over XDP and BPF maps. All `unsafe` of the crate is below this module.

mod maps;
mod packet;

pub use maps::{KernelTables, explain};
pub use packet::XdpPacket;
