//! A UDP server on a backend that says who it is.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::Lab;

/// Answers every datagram with its name, a space and what came; it ends with the value.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

/// How soon it notices that it should end.
const LOOK: Duration = Duration::from_millis(50);

impl Echo {
    /// Starts it in the namespace of `node`, as `name`, on each of `addresses`: a socket for all addresses would
    /// answer with the node's own instead of the one that was asked.
    ///
    /// # Errors
    /// An address is not the node's or is taken.
    pub fn start(lab: &Lab, node: &str, name: &str, addresses: &[SocketAddr]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for address in addresses {
            let socket = lab
                .in_namespace(node, || UdpSocket::bind(address))?
                .with_context(|| format!("an echo on {address} of {node}"))?;
            socket.set_read_timeout(Some(LOOK))?;
            let (end, name) = (Arc::clone(&stop), name.to_owned());
            threads.push(thread::spawn(move || serve(&socket, &name, &end)));
        }
        Ok(Self { stop, threads })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A client that got no answer has told of it.
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, name: &str, stop: &AtomicBool) -> io::Result<()> {
    let mut datagram = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let (length, client) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            Err(error) if is_pause(&error) => continue,
            Err(error) => return Err(error),
        };
        let mut answer = format!("{name} ").into_bytes();
        answer.extend_from_slice(&datagram[..length]);
        socket.send_to(&answer, client)?;
    }
    Ok(())
}

/// The time limit, or an ICMP error for an earlier answer: its client has gone.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused
    )
}
