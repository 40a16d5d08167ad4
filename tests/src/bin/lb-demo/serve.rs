//! Servers that say who they are, so that a client can tell which backend it reached.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::{Router, routing::get};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What to say, where and how.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The name to answer with
    #[arg(long)]
    name: String,
    /// Where to listen; [::] takes IPv4 as well
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Speak lines instead of HTTP: answer the first line with the name and hang up
    #[arg(long)]
    line: bool,
}

/// Serves until the process is killed.
pub fn run(arguments: &Arguments) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime")?
        .block_on(async {
            let listener = TcpListener::bind(arguments.listen)
                .await
                .with_context(|| format!("listening on {}", arguments.listen))?;
            if arguments.line {
                line(listener, &arguments.name).await
            } else {
                http(listener, &arguments.name).await
            }
        })
}

async fn http(listener: TcpListener, name: &str) -> Result<()> {
    let answer = format!("{name}\n");
    let routes = Router::new()
        .route("/", get(async move || answer))
        .route("/healthz", get(async || "ok"));
    axum::serve(listener, routes).await.context("serving HTTP")
}

async fn line(listener: TcpListener, name: &str) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accepting a connection")?;
        // A client that hangs up in mid-line is its own affair.
        tokio::spawn(answer_line(stream, format!("{name}\n")));
    }
}

async fn answer_line(stream: TcpStream, answer: String) -> std::io::Result<()> {
    /// Enough for any question; a client that sends more is cut off.
    const LONGEST_LINE: u64 = 1024;
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    (&mut stream)
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .await?;
    if line.ends_with(b"\n") {
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
