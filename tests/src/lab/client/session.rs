//! One TCP connection that asks the web server who it is, now and then.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;

use super::connect::{self, Options};
use crate::lab::Lab;

/// A connection of the client, kept open.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    /// Connects to `address` and asks nothing yet.
    ///
    /// # Errors
    /// What the kernel says; `TimedOut` after three seconds without an answer.
    pub fn open(lab: &Lab, address: SocketAddr) -> io::Result<Self> {
        Self::with(lab, address, Options::default())
    }

    /// As [`Session::open`], from the client's port `port`.
    ///
    /// # Errors
    /// As [`Session::open`], or the port is taken.
    pub fn open_from(lab: &Lab, port: u16, address: SocketAddr) -> io::Result<Self> {
        let options = Options {
            port,
            ..Options::default()
        };
        Self::with(lab, address, options)
    }

    /// As [`Session::open`], giving up after `patience`.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_within(lab: &Lab, patience: Duration, address: SocketAddr) -> io::Result<Self> {
        let options = Options {
            patience,
            ..Options::default()
        };
        Self::with(lab, address, options)
    }

    fn with(lab: &Lab, address: SocketAddr, options: Options) -> io::Result<Self> {
        let stream = connect::open(lab, address, options)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// The client's address and port.
    ///
    /// # Errors
    /// The socket is in no state to tell.
    pub fn client(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().local_addr()
    }

    /// From now on waits for an answer as long as `patience`.
    ///
    /// # Errors
    /// It is zero.
    pub fn be_patient(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(patience))
    }

    /// Who answers: the name of the web server at the other end.
    ///
    /// # Errors
    /// The connection is gone, or no answer comes within the patience.
    pub fn ask(&mut self) -> io::Result<String> {
        self.say()?;
        self.hear()
    }

    /// Sends the question.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn say(&mut self) -> io::Result<()> {
        self.stream
            .get_mut()
            .write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
    }

    /// Reads the answer to a question that was sent.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn hear(&mut self) -> io::Result<String> {
        self.answer().map_err(|error| match error.kind() {
            // What a read with a time limit says.
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }

    /// As [`Session::ask`], for the last time: the server closes, and then so does the client.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn ask_for_the_end(mut self) -> io::Result<String> {
        self.stream
            .get_mut()
            .write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
        let answer = self.hear()?;
        // The server's FIN has come when nothing else does.
        let rest = self.stream.read_to_end(&mut Vec::new())?;
        if rest > 0 {
            return Err(io::Error::other("more than the answer"));
        }
        Ok(answer)
    }

    /// Breaks the connection off with a reset.
    ///
    /// # Errors
    /// The socket is in no state to.
    pub fn abort(self) -> io::Result<()> {
        set_socket_linger(self.stream.get_ref(), Some(Duration::ZERO))?;
        Ok(())
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut length = None;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok();
            }
            if line.is_empty() {
                break;
            }
        }
        let length: usize =
            length.ok_or_else(|| io::Error::other("an answer without a content-length"))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }
}
