//! The product as its users meet it: the real `lb`, in network namespaces, between real clients and real servers.
//!
//! One binary, because each would be linked for itself; one test at a time, because most of them measure.
//! All but `help` need root and fail without: `cargo xtask test` asks for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod across;
mod active_passive;
mod agent_death;
mod api;
mod backend_death;
mod bad_file;
mod captures;
mod cli;
mod decap;
mod detach;
mod distribution;
mod full_table;
mod guests;
mod help;
mod interfaces;
mod jumbo;
mod modes;
mod nat;
mod next_hops;
mod nobody;
mod obedience;
mod port_reuse;
mod rivals;
mod survival;
mod tunnels;
mod udp;
mod untouched;
mod wire;
