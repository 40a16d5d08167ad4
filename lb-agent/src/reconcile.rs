//! From what should be to what is: target, plan, apply.

pub mod apply;
pub mod plan;
pub mod target;
