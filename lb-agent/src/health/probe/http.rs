//! `GET` over HTTP/1.1 (RFC 9112): a status code in, the rest of the answer not read.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{Evidence, Failure, Stage, Target};

/// Bytes of headers an answer may have; a backend must not fill the balancer's memory.
const MOST_HEADER_BYTES: usize = 64 * 1024;

/// What to ask, and which answers pass.
pub(super) struct Question<'q> {
    pub(super) path: &'q str,
    pub(super) host: Option<&'q str>,
    pub(super) status: &'q [RangeInclusive<u16>],
}

/// Asks over `stream` and judges the status code.
pub(super) async fn ask(
    stream: TcpStream,
    target: &Target,
    deadline: Instant,
    question: Question<'_>,
) -> Result<Evidence, Failure> {
    let code = match timeout_at(deadline, status(stream, target, &question)).await {
        Err(_) => return Err(target.silent(Stage::Answer)),
        Ok(code) => code?.as_u16(),
    };
    let place = format!("{}{}", target.address, question.path);
    if question.status.iter().any(|range| range.contains(&code)) {
        return Ok(Evidence::Status { code, place });
    }
    Err(Failure::Status {
        code,
        place,
        expected: question.status.to_vec(),
    })
}

/// Ranges of status codes as the configuration writes them: `200-299, 401`.
pub(super) fn codes(ranges: &[RangeInclusive<u16>]) -> String {
    let range = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}-{high}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

async fn status(
    stream: TcpStream,
    target: &Target,
    question: &Question<'_>,
) -> Result<StatusCode, Failure> {
    let failure = |error| failure(target, error);
    let request = Request::get(question.path)
        .header(
            HOST,
            question
                .host
                .map_or_else(|| authority(target.address), str::to_owned),
        )
        .header(CONNECTION, "close")
        .header(USER_AGENT, "lb-probe")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Unasked {
            address: target.address,
            why: error.to_string(),
        })?;
    let mut http = http1::Builder::new();
    http.max_buf_size(MOST_HEADER_BYTES);
    let (mut sender, connection) = http
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failure)?;
    let answer = async {
        let answer = sender.send_request(request).await;
        answer.map(|answer| answer.status())
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        // The connection carries the answer, so it may end first with the answer ready.
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
    .map_err(failure)
}

/// RFC 9110 section 7.2: the port is left out where it is the scheme's own.
pub(super) fn authority(address: SocketAddr) -> String {
    match (address, address.port()) {
        (SocketAddr::V4(v4), 80) => v4.ip().to_string(),
        (SocketAddr::V6(v6), 80) => format!("[{}]", v6.ip()),
        _ => address.to_string(),
    }
}

fn failure(target: &Target, error: hyper::Error) -> Failure {
    let address = target.address;
    if error.is_parse() {
        return Failure::NotHttp {
            address,
            why: error.to_string(),
        };
    }
    match error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
    {
        Some(error) => target.broken(error),
        // What is left of hyper's reasons is a connection that ended: whole, or in the middle of the headers.
        None => Failure::Closed { address },
    }
}
