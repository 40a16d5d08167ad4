//! The product as its users meet it: the real `lb`, in network namespaces, between real clients and real servers.
//!
//! One binary, because each would be linked for itself; one test at a time, because most of them measure.
//! All need root and fail without: `cargo xtask test` asks for it.

mod active_passive;
mod agent_death;
mod backend_death;
mod bad_file;
mod distribution;
mod guests;
mod obedience;
mod rivals;
mod survival;
