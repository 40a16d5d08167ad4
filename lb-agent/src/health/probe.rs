//! One question to one backend: I/O only, no opinion about health.
//!
//! Answer and failure say what was expected and what came, in words fit for a log and for `lb status`.

mod http;
mod tcp;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::Instant;

use super::Outcome;
use crate::config::ProbeKind;

/// Whom to ask, what, and how long to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The backend and its probe port.
    pub address: SocketAddr,
    /// What to ask.
    pub kind: ProbeKind,
    /// Time for the whole probe, from the connection to the answer.
    pub timeout: Duration,
}

/// What a probe that passed has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The connection opened.
    Connected {
        /// The backend and its probe port.
        address: SocketAddr,
    },
    /// An expected HTTP status came.
    Status {
        /// Status code.
        code: u16,
        /// Address, port and path asked.
        place: String,
    },
}

/// Why a probe did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The backend, or something on the way, said no to the connection.
    Refused {
        /// The backend and its probe port.
        address: SocketAddr,
    },
    /// Nothing came in time.
    Silent {
        /// The backend and its probe port.
        address: SocketAddr,
        /// Time waited for the whole probe.
        timeout: Duration,
        /// What was waited for.
        stage: Stage,
    },
    /// The network gave the connection up, or the backend broke it.
    Broken {
        /// The backend and its probe port.
        address: SocketAddr,
        /// The system's reason.
        why: String,
    },
    /// The backend closed the connection before it answered.
    Closed {
        /// The backend and its probe port.
        address: SocketAddr,
    },
    /// The backend answered, but not in HTTP.
    NotHttp {
        /// The backend and its probe port.
        address: SocketAddr,
        /// What is wrong with the answer.
        why: String,
    },
    /// An HTTP status came that was not expected.
    Status {
        /// Status code.
        code: u16,
        /// Address, port and path asked.
        place: String,
        /// Status codes that would have passed.
        expected: Vec<RangeInclusive<u16>>,
    },
    /// This host could not ask. It says nothing about the backend.
    Unasked {
        /// The backend and its probe port.
        address: SocketAddr,
        /// What this host lacks.
        why: String,
    },
}

/// The part of a probe that waits for the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// TCP's handshake.
    Connect,
    /// The answer to the request.
    Answer,
}

/// Asks `target` once.
///
/// # Errors
/// What came instead of the expected answer, after `target.timeout` at the latest.
pub async fn run(target: &Target) -> Result<Evidence, Failure> {
    let deadline = Instant::now() + target.timeout;
    let stream = tcp::connect(target, deadline).await?;
    match &target.kind {
        ProbeKind::Tcp => Ok(Evidence::Connected {
            address: target.address,
        }),
        ProbeKind::Http { path, host, status } => {
            http::ask(
                stream,
                target,
                deadline,
                http::Question {
                    path,
                    host: host.as_deref(),
                    status,
                },
            )
            .await
        }
    }
}

/// What `result` says of the backend; none where this host could not ask, for a balancer that runs out of files must
/// not take its backends down.
pub fn outcome(result: &Result<Evidence, Failure>) -> Option<Outcome> {
    match result {
        Ok(_) => Some(Outcome::Pass),
        Err(Failure::Unasked { .. }) => None,
        Err(_) => Some(Outcome::Fail),
    }
}

impl Target {
    fn silent(&self, stage: Stage) -> Failure {
        Failure::Silent {
            address: self.address,
            timeout: self.timeout,
            stage,
        }
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let (address, why) = (self.address, error.to_string());
        match Errno::from_io_error(error) {
            Some(Errno::CONNREFUSED) => Failure::Refused { address },
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRNOTAVAIL
                | Errno::PERM,
            ) => Failure::Unasked { address, why },
            _ => Failure::Broken { address, why },
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { address } => write!(f, "tcp connection to {address} opened"),
            Self::Status { code, place } => write!(f, "http {code} from {place}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { address } => write!(f, "tcp connection to {address} refused"),
            Self::Silent {
                address,
                timeout,
                stage,
            } => {
                write!(
                    f,
                    "no answer from {address} within {} ms ({stage})",
                    timeout.as_millis()
                )
            }
            Self::Broken { address, why } => write!(f, "tcp connection to {address} failed: {why}"),
            Self::Closed { address } => {
                write!(
                    f,
                    "{address} closed the connection, expected an http answer"
                )
            }
            Self::NotHttp { address, why } => {
                write!(f, "{address} answered, but not in http: {why}")
            }
            Self::Status {
                code,
                place,
                expected,
            } => {
                write!(
                    f,
                    "http {code} from {place}, expected {}",
                    http::codes(expected)
                )
            }
            Self::Unasked { address, why } => {
                write!(
                    f,
                    "{address} was not probed, for this host could not: {why}"
                )
            }
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "tcp connect",
            Self::Answer => "http answer",
        })
    }
}

impl std::error::Error for Failure {}
