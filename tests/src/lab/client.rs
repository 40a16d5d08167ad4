//! Clients of a service: one connection, a long download, a steady rate of new connections, a crowd of old ones.

mod connect;
mod crowd;
mod curl;
mod download;
mod session;
pub mod traffic;

pub use self::{
    crowd::{Crowd, Mood},
    curl::{curl, fetch, fetch_hash, file_hash},
    download::Download,
    session::Session,
    traffic::{Tally, Traffic},
};
