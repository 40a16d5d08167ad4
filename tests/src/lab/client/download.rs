//! A long download whose every byte is checked.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::connect::{self, Options};
use crate::lab::{Lab, wait_until};

/// Bytes taken at once, and how long the client then rests, until it is told to finish.
const SIP: usize = 16 * 1024;
const REST: Duration = Duration::from_millis(5);

/// Little, so that the server cannot send ahead: what is not acknowledged through the balancer soon stops it.
const BUFFER: usize = 32 * 1024;

/// A download that goes on slowly until it is told to finish.
#[derive(Debug)]
pub struct Download {
    server: String,
    read: Arc<AtomicU64>,
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Download {
    /// Makes `bytes` bytes that can be told from any others of the file at `path`, for [`Download::start`].
    ///
    /// # Errors
    /// It cannot be written.
    pub fn prepare(path: &Path, bytes: u64) -> Result<()> {
        let file = fs::File::create(path).with_context(|| format!("making {}", path.display()))?;
        let mut file = io::BufWriter::new(file);
        let block = block();
        let mut left = bytes;
        while left > 0 {
            let part = left.min(block.len() as u64);
            file.write_all(&block[..usize::try_from(part)?])?;
            left -= part;
        }
        file.flush().context("writing the file to download")
    }

    /// Asks the web server at `address` who it is, and on the same connection for `/big`.
    ///
    /// # Errors
    /// It cannot be reached, or does not answer as it should.
    pub fn start(lab: &Lab, address: SocketAddr) -> Result<Self> {
        let options = Options {
            buffer: Some(BUFFER),
            ..Options::default()
        };
        let mut stream = connect::open(lab, address, options)?;
        let name = ask(&mut stream, "/")?;
        let mut server = vec![0; usize::try_from(name)?];
        stream.read_exact(&mut server)?;
        let length = ask(&mut stream, "/big")?;
        let (read, hurry) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counter, finish) = (Arc::clone(&read), Arc::clone(&hurry));
        Ok(Self {
            server: String::from_utf8_lossy(&server).trim().to_owned(),
            read,
            hurry,
            thread: Some(thread::spawn(move || {
                drink(stream, length, &counter, &finish)
            })),
        })
    }

    /// Who sends it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Waits until far more has come than could have been under way when this was called.
    ///
    /// # Errors
    /// It has stopped.
    pub fn goes_on(&self) -> Result<()> {
        let before = self.read.load(Ordering::Relaxed);
        let what = format!("the download from {} to go on", self.server);
        wait_until(Duration::from_secs(5), &what, || {
            self.read.load(Ordering::Relaxed) > before + 8 * BUFFER as u64
        })
        .map(drop)
    }

    /// Takes the rest as fast as it comes and tells the length of the whole.
    ///
    /// # Errors
    /// The connection broke, or a byte was not the one that was sent.
    pub fn finish(mut self) -> Result<u64> {
        self.hurry.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it has finished already")?;
        let ended = thread.join().ok().context("the download panicked")?;
        ended.with_context(|| format!("the download from {}", self.server))?;
        Ok(self.read.load(Ordering::Relaxed))
    }
}

/// Asks for `path`; gives the length of the body that follows.
fn ask(stream: &mut TcpStream, path: &str) -> Result<u64> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).context("reading the header")?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    ensure!(status == Some(200), "no 200 for {path}: {head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|value| value.parse().ok());
    length.context("no content-length")
}

fn drink(
    mut stream: TcpStream,
    length: u64,
    counter: &AtomicU64,
    hurry: &AtomicBool,
) -> io::Result<()> {
    let block = block();
    let mut sip = vec![0; SIP];
    let mut at = 0;
    let mut total = 0;
    while total < length {
        let hurried = hurry.load(Ordering::Relaxed);
        let count = stream.read(&mut sip)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut got = &sip[..count];
        while !got.is_empty() {
            let part = got.len().min(block.len() - at);
            if got[..part] != block[at..at + part] {
                return Err(io::Error::other("a byte was not the one that was sent"));
            }
            got = &got[part..];
            at = (at + part) % block.len();
        }
        total += count as u64;
        counter.store(total, Ordering::Relaxed);
        if !hurried {
            thread::sleep(REST);
        }
    }
    Ok(())
}

/// What the file repeats: bytes without a pattern, as many as no buffer or segment is a multiple or part of.
fn block() -> Vec<u8> {
    /// A prime.
    const LENGTH: usize = 65_521;
    let mut state = 1_u32;
    (0..LENGTH)
        .map(|_| {
            // Numerical Recipes' generator; its upper bits are the good ones.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}
