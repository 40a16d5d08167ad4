//! A web server that says who it is, and sends back what it is sent.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use lb_tests::lab::{Lab, Process};
use tokio::net::TcpListener;

/// What to say, and where.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The name to answer with
    #[arg(long)]
    name: String,
    /// Where to listen; [::] takes IPv4 as well
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

/// Serves until the process is killed.
pub fn serve(arguments: &Arguments) -> Result<()> {
    let name = arguments.name.clone();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime")?
        .block_on(async {
            let listener = TcpListener::bind(arguments.listen)
                .await
                .with_context(|| format!("listening on {}", arguments.listen))?;
            let routes = Router::new()
                .route("/", get(async move || name))
                .route("/back", post(async |body: Bytes| body))
                .layer(DefaultBodyLimit::disable());
            axum::serve(listener, routes).await.context("serving HTTP")
        })
}

/// Starts this program as the web server of `node`, under that name, on port 80 of all addresses.
pub fn start(lab: &Lab, node: &str) -> Result<Process> {
    let own = std::env::current_exe().context("where this program is")?;
    lab.spawn(node, own, ["serve", "--name", node, "--listen", "[::]:80"])
}
