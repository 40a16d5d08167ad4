//! The command line: `lb agent` runs the daemon, every other verb is a client of its API.

mod change;
mod check;
mod decap;
mod detach;
mod explain;
mod flows;
mod status;
mod table;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};

use crate::{
    agent,
    api::model::Intent,
    client::{Client, NoAgent},
    config::ConfigErrors,
    operator::Key,
};

/// Exit code: refused or failed, and nothing has changed.
const REFUSED: u8 = 1;
/// Exit code: no agent answers. (2 is wrong usage.)
const NO_AGENT: u8 = 3;

/// Layer-4 load balancer in the Linux kernel's XDP fast path.
#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    after_help = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no agent answers."
)]
struct Cli {
    /// The agent's socket.
    #[arg(
        long,
        global = true,
        env = "LB_API",
        default_value = "/run/lb/lb.sock",
        value_name = "SOCKET"
    )]
    api: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon.
    #[command(after_help = "Example: lb agent --config /etc/lb/lb.toml\n\n\
        It ends on SIGTERM or SIGINT and leaves the program forwarding; `lb detach` removes it. SIGHUP re-reads the file.")]
    Agent(Config),
    /// Check a configuration file and change nothing.
    #[command(after_help = "Example: lb check --config /etc/lb/lb.toml")]
    Check {
        #[command(flatten)]
        config: Config,
        /// Print the mistakes as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show services and backends, and why each backend has its share.
    #[command(after_help = "Example: lb status web")]
    Status(status::Status),
    /// Show a backend's weight, or set it while traffic flows.
    #[command(
        after_help = "Examples: lb weight web/web-1\n          lb weight web/web-1 50\n          lb weight web/web-1 25%\n\n\
        A weight is 0 (no new flows) to 256; a percentage is of the weight in the file. It lasts over restarts, until the file changes that weight."
    )]
    Weight {
        /// Backend.
        #[arg(value_name = "SERVICE/BACKEND", value_parser = key)]
        backend: Key,
        /// New weight; without it the present one is shown.
        #[arg(value_name = "N|N%")]
        weight: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a backend no new flows; those it has continue, and it is still probed.
    #[command(after_help = "Example: lb drain web/web-1")]
    Drain(change::Change),
    /// Let a backend serve again. Under manual failback this gives a service back to its active backend.
    #[command(after_help = "Example: lb ready web/web-1")]
    Ready(change::Change),
    /// As drain, and the backend is not probed.
    #[command(after_help = "Example: lb maint web/web-1")]
    Maint(change::Change),
    /// List live flows.
    #[command(after_help = "Example: lb flows --service web")]
    Flows {
        /// Only this service's.
        #[arg(long)]
        service: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Where a packet would go and why, asked of the loaded programs.
    #[command(
        after_help = "Examples: lb explain 198.51.100.7:40000 192.0.2.10:80\n          \
        lb explain [2001:db8::7]:40000 [2001:db8::10]:53/udp"
    )]
    Explain {
        /// The client.
        #[arg(value_name = "SRC:PORT")]
        source: String,
        /// The destination; TCP unless it ends in /udp.
        #[arg(value_name = "DST:PORT[/udp]")]
        destination: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Re-read the configuration file. A file with a mistake changes nothing.
    #[command(after_help = "Example: lb reload")]
    Reload {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove XDP program, links and maps, end the agent, and say what was removed.
    #[command(
        after_help = "Examples: lb detach\n          lb detach --pin-dir /sys/fs/bpf/lb   (where no agent runs)"
    )]
    Detach {
        /// Where the pins are, if no agent runs.
        #[arg(long, default_value = "/sys/fs/bpf/lb", value_name = "DIR")]
        pin_dir: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// On a backend: take packets out of a balancer's tunnels. Needs no agent.
    #[command(
        after_help = "Examples: lb decap --interface eth0 --from 10.0.0.1 --from 10.0.0.2\n          \
        lb decap --status\n          lb decap --detach\n\n\
        The program stays when the command has ended. Running it again replaces program and settings between two packets."
    )]
    Decap(decap::Decap),
}

#[derive(Debug, Args)]
struct Config {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(is_broken_pipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // A file's mistakes are a list with a form of its own.
            match error.downcast_ref::<ConfigErrors>() {
                Some(mistakes) => eprintln!("{mistakes}"),
                None => eprintln!("lb: {error:#}"),
            }
            let code = if error.is::<NoAgent>() {
                NO_AGENT
            } else {
                REFUSED
            };
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let client = Client::new(&cli.api);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match cli.verb {
            Verb::Agent(config) => {
                log();
                agent::run(&config.config).await
            }
            Verb::Check { config, json } => check::check(&config.config, json),
            Verb::Status(wanted) => status::status(&client, &wanted).await,
            Verb::Weight {
                backend,
                weight,
                json,
            } => change::weight(&client, &backend, weight, json).await,
            Verb::Drain(wanted) => change::intent(&client, &wanted, Intent::Drain).await,
            Verb::Ready(wanted) => change::intent(&client, &wanted, Intent::Ready).await,
            Verb::Maint(wanted) => change::intent(&client, &wanted, Intent::Maint).await,
            Verb::Flows { service, json } => flows::flows(&client, service.as_deref(), json).await,
            Verb::Explain {
                source,
                destination,
                json,
            } => explain::explain(&client, &source, &destination, json).await,
            Verb::Reload { json } => change::reload(&client, json).await,
            Verb::Decap(asked) => decap::decap(&asked),
            Verb::Detach { pin_dir, json } => detach::detach(&client, &pin_dir, json).await,
        }
    })
}

/// Logs to standard error; `LB_LOG` (as `RUST_LOG`) says how much, `info` unless it does.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LB_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

fn key(text: &str) -> Result<Key> {
    match text.split_once('/') {
        Some((service, backend)) if !service.is_empty() && !backend.is_empty() => {
            Ok(Key::new(service, backend))
        }
        _ => Err(anyhow!("write SERVICE/BACKEND, such as web/web-1")),
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
