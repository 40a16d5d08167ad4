//! What a guest of `cargo xtask vm` runs: it proves, on the kernel it finds itself on, that lb loads and forwards.
//!
//! The guest has nothing but this program, `lb`, `ip`, `ethtool`, `nsenter` and busybox, and it ends with this program; so
//! what is found broken is told on the standard output, in lines that begin with `guest: `, of which the last one counts.

mod ask;
mod bond;
mod forwarding;
mod nat;
mod page;
mod programs;
mod report;
mod scene;
mod sequences;
mod tunnels;
mod vectors;
mod vlan;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lb_tests::lab::Topology;

use report::Report;

/// Runs in a guest of `cargo xtask vm`.
#[derive(Debug, Parser)]
#[command(name = "lb-guest")]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Load the programs, compare them with the host's, and forward.
    Check {
        /// Make only the checks whose name contains one of these.
        filter: Vec<String>,
    },
    /// Be a backend's web server: what the checks start.
    Serve(web::Arguments),
}

fn main() -> ExitCode {
    match Cli::parse().role {
        Role::Check { filter } => check(filter),
        Role::Serve(arguments) => match web::serve(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("lb-guest: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn check(filter: Vec<String>) -> ExitCode {
    let mut report = Report::new(filter);
    report.check("programs", programs::load);
    report.check("vectors", vectors::agree);
    report.check("sequences", sequences::agree);
    report.check("one-arm", || forwarding::check(Topology::OneArm));
    report.check("two-arm", || forwarding::check(Topology::TwoArm));
    report.check("nat-one-arm", || nat::forwards(Topology::OneArm));
    report.check("nat-two-arm", || nat::forwards(Topology::TwoArm));
    report.check("nat-narrow", nat::narrow);
    report.check("tunnels", || tunnels::check(tunnels::Out::Decap));
    report.check("kernel-decap", || tunnels::check(tunnels::Out::Kernel));
    report.check("vlan", || vlan::check(vlan::Tags::One));
    report.check("qinq", || vlan::check(vlan::Tags::Two));
    report.check("bond", bond::check);
    report.end()
}
