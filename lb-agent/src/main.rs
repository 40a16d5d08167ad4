//! The `lb` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    lb_agent::cli::main()
}
