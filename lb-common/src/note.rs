//! What the agent writes beside the tables for the agent that comes after it. The packet path never reads it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Longest name of a service or a backend, in bytes.
pub const MAX_NAME: usize = 63;

/// A name, padded with zeros.
pub type Name = [u8; MAX_NAME + 1];

/// Who holds a service number. 72 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ServiceNote {
    /// 1 if the backups serve, else 0.
    pub on_backup: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// The service's name.
    pub name: Name,
}

/// Who holds a backend number. 136 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BackendNote {
    /// 0 unknown, 1 up, 2 down.
    pub health: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// The service's name.
    pub service: Name,
    /// The backend's name.
    pub name: Name,
}

/// Pads `text`, cutting it at [`MAX_NAME`] bytes.
pub fn name(text: &str) -> Name {
    let mut name = [0; MAX_NAME + 1];
    for (to, from) in name.iter_mut().take(MAX_NAME).zip(text.bytes()) {
        *to = from;
    }
    name
}

/// The text of a padded name; empty where it is not UTF-8.
pub fn text(name: &Name) -> &str {
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    core::str::from_utf8(&name[..end]).unwrap_or_default()
}
