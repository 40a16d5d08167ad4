//! lb's agent: a functional core in a thin shell.

pub mod agent;
pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod dataplane;
pub mod decap;
pub mod event;
pub mod exhaustion;
pub mod failover;
pub mod health;
pub mod listeners;
pub mod loads;
pub mod lock;
pub mod neighbour;
pub mod observed;
pub mod operator;
pub mod reconcile;
pub mod schedule;
pub mod snapshot;
