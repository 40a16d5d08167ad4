//! Paths to what they do.

use axum::{
    Json, Router,
    extract::{
        ConnectInfo, Query, State,
        connect_info::Connected,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::IncomingStream,
};
use serde::Deserialize;
use tokio::{
    net::UnixListener,
    sync::{mpsc, oneshot},
    task::block_in_place,
};

use super::{
    Reader, explain, flows, metrics,
    model::{IntentRequest, Refused, WeightRequest},
    status,
};
use crate::{
    event::{Command, Event},
    operator::Key,
};

/// Who is at the other end of the socket.
#[derive(Clone, Debug)]
pub struct Peer(String);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(match stream.io().peer_cred() {
            Ok(peer) => match peer.pid() {
                Some(pid) => format!("uid {}, pid {pid}", peer.uid()),
                None => format!("uid {}", peer.uid()),
            },
            Err(_) => "an unknown peer".into(),
        })
    }
}

#[derive(Clone)]
struct Api {
    reader: Reader,
    events: mpsc::Sender<Event>,
}

/// Every path of the API.
pub fn all(reader: Reader, events: mpsc::Sender<Event>) -> Router {
    Router::new()
        .route("/v1/status", get(get_status))
        .route("/v1/flows", get(get_flows))
        .route("/v1/explain", get(get_explain))
        .route("/v1/weight", post(post_weight))
        .route("/v1/intent", post(post_intent))
        .route("/v1/reload", post(post_reload))
        .route("/v1/detach", post(post_detach))
        .route("/metrics", get(get_metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Api { reader, events })
}

/// Only `/metrics`.
pub fn metrics_only(reader: Reader) -> Router {
    let (events, _) = mpsc::channel(1);
    Router::new()
        .route("/metrics", get(get_metrics))
        .with_state(Api { reader, events })
}

struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(Refused { error: self.1 })).into_response()
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

async fn no_such_path() -> Failure {
    Failure(
        StatusCode::NOT_FOUND,
        "no such path; there are GET /v1/status, /v1/flows, /v1/explain, /metrics and POST /v1/weight, /v1/intent, /v1/reload, /v1/detach".into(),
    )
}

async fn wrong_method() -> Failure {
    Failure(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong method: /v1/status, /v1/flows, /v1/explain and /metrics take GET, the others POST"
            .into(),
    )
}

async fn get_status(State(api): State<Api>) -> Result<Response, Failure> {
    let status = block_in_place(|| status::status(&api.reader))?;
    Ok(Json(status).into_response())
}

#[derive(Deserialize)]
struct FlowsQuery {
    service: Option<String>,
}

async fn get_flows(
    State(api): State<Api>,
    query: Result<Query<FlowsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query?;
    let flows = block_in_place(|| flows::flows(&api.reader, query.service.as_deref()))?;
    match flows {
        Some(flows) => Ok(Json(flows).into_response()),
        None => {
            let name = query.service.unwrap_or_default();
            Err(Failure(
                StatusCode::NOT_FOUND,
                format!("no service `{name}`; `lb status` lists those there are"),
            ))
        }
    }
}

async fn get_explain(
    State(api): State<Api>,
    query: Result<Query<explain::Question>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(question) = query?;
    let frames =
        explain::frames(&question).map_err(|error| Failure(StatusCode::BAD_REQUEST, error))?;
    let explanation = block_in_place(|| explain::explain(&api.reader, &frames))?;
    Ok(Json(explanation).into_response())
}

async fn get_metrics(State(api): State<Api>) -> Result<Response, Failure> {
    let status = block_in_place(|| status::status(&api.reader))?;
    let text = metrics::text(status)?;
    let content = [(
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    Ok((content, text).into_response())
}

async fn post_weight(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Json<WeightRequest>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(request) = body?;
    let key = Key::new(request.service, request.backend);
    command(&api, peer, Command::Weight(key, request.weight)).await
}

async fn post_intent(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Result<Json<IntentRequest>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(request) = body?;
    let key = Key::new(request.service, request.backend);
    command(&api, peer, Command::Intent(key, request.intent)).await
}

async fn post_reload(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Result<Response, Failure> {
    command(&api, peer, Command::Reload).await
}

async fn post_detach(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Result<Response, Failure> {
    command(&api, peer, Command::Detach).await
}

async fn command(api: &Api, Peer(by): Peer, command: Command) -> Result<Response, Failure> {
    let stopping = || {
        Failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "the agent is stopping".into(),
        )
    };
    let (reply, answer) = oneshot::channel();
    let event = Event::Command { command, by, reply };
    api.events.send(event).await.map_err(|_| stopping())?;
    match answer.await.map_err(|_| stopping())? {
        Ok(changed) => Ok(Json(changed).into_response()),
        Err(refusal) if refusal.unknown => Err(Failure(StatusCode::NOT_FOUND, refusal.error)),
        Err(refusal) => Err(Failure(StatusCode::BAD_REQUEST, refusal.error)),
    }
}
