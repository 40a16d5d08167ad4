//! The two doors, over XDP and BPF maps, and the entry points. All `unsafe` of the crate is below this module.

mod cache;
mod entry;
mod flows;
mod jumbo;
mod maps;
mod packet;
mod route;

pub use entry::{decide, forward};
pub use jumbo::JumboPacket;
pub use maps::KernelTables;
pub use packet::XdpPacket;
