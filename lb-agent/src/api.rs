//! HTTP/JSON over a Unix socket.
//!
//! Readers ([`status`], [`flows`], [`explain`], [`metrics`]) use the published snapshot and the maps; only commands
//! go through the agent's loop.

pub mod explain;
pub mod flows;
pub mod metrics;
pub mod model;
mod routes;
pub mod socket;
pub mod status;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{dataplane::kernel::Kernel, event::Event, snapshot::Snapshot};

/// What readers read.
#[derive(Clone)]
pub struct Reader {
    /// The agent's published state.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// The maps.
    pub dataplane: Arc<Kernel>,
}

/// The API while it is served.
pub struct Served {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    /// Ends it once the answers under way are written.
    pub async fn finish(self) {
        let _ = self.stop.send(());
        let patience = std::time::Duration::from_secs(1);
        let _ = tokio::time::timeout(patience, self.task).await;
    }
}

/// Serves the API on `listener`.
pub fn serve(listener: UnixListener, reader: Reader, events: mpsc::Sender<Event>) -> Served {
    let router = routes::all(reader, events).into_make_service_with_connect_info::<routes::Peer>();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        if let Err(error) = served.await {
            tracing::error!("the API has ended: {error}");
        }
    });
    Served { stop, task }
}

/// Takes a TCP address for `/metrics`.
///
/// # Errors
/// Where the address cannot be used.
pub async fn bind_metrics(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for `agent.metrics`"))
}

/// Serves `/metrics`, and nothing else, on a TCP address.
pub fn serve_metrics(listener: TcpListener, reader: Reader) {
    let router = routes::metrics_only(reader);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("the metrics port has ended: {error}");
        }
    });
}
