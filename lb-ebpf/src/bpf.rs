//! The two doors, over XDP and BPF maps. All `unsafe` of the crate is below this module.

mod maps;
mod packet;
mod route;

pub use maps::{KernelTables, call, explain};
pub use packet::XdpPacket;
