//! Pure: weights in, the table from which the packet path takes new flows' backends out.

pub mod maglev;
pub mod round_robin;
