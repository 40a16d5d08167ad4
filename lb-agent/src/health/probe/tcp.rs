//! Opening a TCP connection: a whole `tcp` probe, and the first half of the others.

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{Failure, Stage, Target};

/// Connects to `target`. Dropping the stream closes it in order (FIN), so a server logs no reset.
pub(super) async fn connect(target: &Target, deadline: Instant) -> Result<TcpStream, Failure> {
    match timeout_at(deadline, TcpStream::connect(target.address)).await {
        Err(_) => Err(target.silent(Stage::Connect)),
        Ok(Err(error)) => Err(target.broken(&error)),
        Ok(Ok(stream)) => Ok(stream),
    }
}
