//! The API's client: HTTP/JSON over the agent's Unix socket.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, body::Bytes};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::api::model::{Changed, Refused};

/// Nothing answers at the socket.
#[derive(Debug)]
pub struct NoAgent {
    socket: String,
    error: io::Error,
}

impl fmt::Display for NoAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { socket, error } = self;
        if error.kind() == io::ErrorKind::PermissionDenied {
            return write!(
                f,
                "the socket {socket} is its owner's alone: run this with sudo"
            );
        }
        write!(
            f,
            "no agent answers at {socket} ({error}): start one with `lb agent --config FILE`, or name its socket with --api SOCKET or LB_API"
        )
    }
}

impl std::error::Error for NoAgent {}

/// Speaks to the agent that owns `socket`.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the agent at `socket`; nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET path` as JSON.
    ///
    /// # Errors
    /// No agent, a refusal (the agent's own words) or an answer that is not what was asked for.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        decode(&self.send(Method::GET, path, Bytes::new()).await?)
    }

    /// `GET path` as text.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_text(&self, path: &str) -> Result<String> {
        let body = self.send(Method::GET, path, Bytes::new()).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<B: Serialize + Sync>(&self, path: &str, body: &B) -> Result<Changed> {
        let body = Bytes::from(serde_json::to_vec(body)?);
        decode(&self.send(Method::POST, path, body).await?)
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let socket = self.socket.display();
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| NoAgent {
                socket: socket.to_string(),
                error,
            })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, "lb")
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = sender
            .send_request(request)
            .await
            .with_context(|| format!("the agent at {socket} closed the connection"))?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        drop(sender);
        driver.abort();
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) => bail!(refused.error),
            Err(_) => bail!(
                "the agent at {socket} answered {status} to {path}: {}",
                String::from_utf8_lossy(&body)
            ),
        }
    }
}

fn decode<T: DeserializeOwned>(body: &Bytes) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| anyhow!("the agent's answer is not understood ({error}): is it of another version than this `lb`?"))
}
