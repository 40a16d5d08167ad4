//! Opening a TCP connection with what the standard library does not let one choose.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, bind, connect, socket_with,
        sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_reuseaddr, set_socket_timeout},
    },
};

use crate::lab::Lab;

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The port to come from; 0 leaves it to the kernel.
    pub port: u16,
    /// Bytes the kernel may hold that were not read yet; none leaves it to the kernel.
    pub buffer: Option<usize>,
    /// How long to wait for the connection, and later for every answer.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            buffer: None,
            patience: Duration::from_secs(3),
        }
    }
}

/// Connects the client of `lab` to `address`.
pub(super) fn open(lab: &Lab, address: SocketAddr, options: Options) -> io::Result<TcpStream> {
    lab.in_namespace("client", || here(address, options))
        .map_err(io::Error::other)?
}

fn here(address: SocketAddr, options: Options) -> io::Result<TcpStream> {
    let (family, any) = match address {
        SocketAddr::V4(_) => (AddressFamily::INET, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        SocketAddr::V6(_) => (AddressFamily::INET6, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if let Some(buffer) = options.buffer {
        set_socket_recv_buffer_size(&socket, buffer)?;
    }
    if options.port != 0 {
        // A port whose last connection is in TIME_WAIT may be used again.
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddr::new(any, options.port))?;
    }
    // In Linux the time to send limits the time to connect as well.
    set_socket_timeout(&socket, Timeout::Send, Some(options.patience))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(options.patience))?;
    match connect(&socket, &address) {
        Ok(()) => Ok(TcpStream::from(socket)),
        Err(Errno::INPROGRESS) => Err(io::ErrorKind::TimedOut.into()),
        Err(error) => Err(error.into()),
    }
}
