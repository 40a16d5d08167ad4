//! Many established connections, all of them busy, none of which may break or change its server.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::lab::{Namespace, wait_until};

/// Connections that ask again and again; they end with the value.
#[derive(Debug)]
pub struct Crowd {
    mood: Arc<Mutex<Mood>>,
    size: usize,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What became of a crowd so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mood {
    /// Answers by who gave them.
    pub answers: BTreeMap<String, u64>,
    /// Connections by their server.
    pub members: BTreeMap<String, u64>,
    /// Connections that broke or were answered by another server than before, by how.
    pub broken: BTreeMap<String, u64>,
}

/// Time between an answer and the next question of the same connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Crowd {
    /// Opens `size` connections from `namespace`, to `addresses` in turn, and waits until each was answered once.
    ///
    /// # Errors
    /// One of them was not.
    pub fn gather(namespace: &Namespace, addresses: &[SocketAddr], size: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making a runtime for the crowd")?;
        let mood = Arc::new(Mutex::new(Mood::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (book, end) = (Arc::clone(&mood), Arc::clone(&stop));
        let addresses: Vec<_> = addresses.iter().copied().cycle().take(size).collect();
        let thread = namespace.thread(move || {
            runtime.block_on(async {
                for address in addresses {
                    tokio::spawn(member(address, Arc::clone(&book)));
                }
                while !end.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(20)).await;
                }
            });
        })?;
        let crowd = Self {
            mood,
            size,
            stop,
            thread: Some(thread),
        };
        wait_until(
            Duration::from_secs(10),
            "the whole crowd to be served",
            || {
                let mood = crowd.mood();
                mood.members.values().sum::<u64>() as usize == size || !mood.broken.is_empty()
            },
        )?;
        crowd.is_content()?;
        Ok(crowd)
    }

    /// What became of it so far.
    pub fn mood(&self) -> Mood {
        lock(&self.mood).clone()
    }

    /// Waits until about every connection has been answered again.
    ///
    /// # Errors
    /// One of them broke or moved, or they stopped.
    pub fn is_content(&self) -> Result<()> {
        let total = || self.mood().answers.values().sum::<u64>();
        let before = total();
        wait_until(Duration::from_secs(5), "the crowd's next answers", || {
            total() >= before + 2 * self.size as u64 || !self.mood().broken.is_empty()
        })?;
        let broken = self.mood().broken;
        ensure!(
            broken.is_empty(),
            "of {} connections broke: {broken:?}",
            self.size
        );
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed, and nothing is left to do about it here.
            let _ = thread.join();
        }
    }
}

async fn member(address: SocketAddr, mood: Arc<Mutex<Mood>>) {
    let Err(error) = converse(address, &mood).await;
    *lock(&mood).broken.entry(error.to_string()).or_default() += 1;
}

async fn converse(address: SocketAddr, mood: &Mutex<Mood>) -> io::Result<std::convert::Infallible> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let mut server = None;
    loop {
        let name = timeout(PATIENCE, exchange(&mut stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        {
            let mut mood = lock(mood);
            *mood.answers.entry(name.clone()).or_default() += 1;
            if server.is_none() {
                *mood.members.entry(name.clone()).or_default() += 1;
            }
        }
        let first = server.get_or_insert_with(|| name.clone());
        if *first != name {
            return Err(io::Error::other(format!("moved from {first} to {name}")));
        }
        sleep(PAUSE).await;
    }
}

async fn exchange(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
        .await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(String::from_utf8_lossy(&body).trim().to_owned())
}

/// Numbers stay right even if a thread panicked while it held them.
fn lock(mood: &Mutex<Mood>) -> MutexGuard<'_, Mood> {
    mood.lock().unwrap_or_else(PoisonError::into_inner)
}
