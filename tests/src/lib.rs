//! Throw-away networks for the demo and for end-to-end tests.

pub mod lab;
