//! Throw-away networks for the demo and for end-to-end tests; the packet path's two engines side by side.

pub mod chart;
pub mod cpu;
pub mod decoded;
pub mod engines;
pub mod frames;
pub mod lab;
pub mod page;
