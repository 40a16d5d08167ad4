//! The only code that edits bytes.

pub mod dsr;
pub mod reset;
