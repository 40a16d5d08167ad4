//! Opens connections at a steady rate, asks each who answers, and keeps account of all of them.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::lab::{Namespace, wait_until};

/// What to ask, where, and how often.
#[derive(Clone, Debug)]
pub struct Target {
    /// The service.
    pub service: &'static str,
    /// Its addresses, taken in turn.
    pub addresses: Vec<SocketAddr>,
    /// Connections per second.
    pub per_second: u32,
    /// What to say.
    pub question: &'static str,
}

/// A running client; it stops with the value.
#[derive(Debug)]
pub struct Traffic {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What became of the requests of one service that were begun in some span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Answers, by who gave them.
    pub answers: BTreeMap<String, u64>,
    /// Requests without an answer, by why.
    pub failures: BTreeMap<String, u64>,
    /// Requests that have not ended.
    pub pending: u64,
    /// When the last request without an answer was begun.
    pub last_failure: Option<Instant>,
    /// Time from connecting to the whole answer, in ascending order.
    pub latencies: Vec<Duration>,
}

impl Traffic {
    /// Starts it in `namespace`.
    ///
    /// # Errors
    /// There is no such namespace.
    pub fn start(namespace: &Namespace, targets: Vec<Target>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making a runtime for the client")?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (book, end) = (Arc::clone(&ledger), Arc::clone(&stop));
        let thread = namespace.thread(move || runtime.block_on(drive(targets, &book, &end)))?;
        Ok(Self {
            ledger,
            stop,
            thread: Some(thread),
        })
    }

    /// What became of the requests of `service` begun from `from` until `until`.
    pub fn tally(&self, service: &str, from: Instant, until: Instant) -> Tally {
        lock(&self.ledger).tally(service, from, until)
    }

    /// The next `count` requests of `service` and those begun meanwhile, all of them ended.
    ///
    /// # Errors
    /// They do not end within twenty seconds.
    pub fn next(&self, service: &str, count: u64) -> Result<Tally> {
        let from = Instant::now();
        let what = format!("{count} requests to {service}");
        wait_until(Duration::from_secs(20), &what, || {
            let tally = self.tally(service, from, Instant::now());
            tally.answered() + tally.failed() >= count
        })?;
        self.settled(service, from, Instant::now())
    }

    /// As [`Traffic::tally`], once every request of that time has ended.
    ///
    /// # Errors
    /// One of them does not within ten seconds.
    pub fn settled(&self, service: &str, from: Instant, until: Instant) -> Result<Tally> {
        wait_until(Duration::from_secs(10), "every request to end", || {
            self.tally(service, from, until).pending == 0
        })?;
        Ok(self.tally(service, from, until))
    }

    /// Begins no more, waits for the end of those under way, and gives the [`Traffic::totals`].
    ///
    /// # Errors
    /// They do not end within ten seconds.
    pub fn end(self) -> Result<(u64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        wait_until(Duration::from_secs(10), "every request to end", || {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            ended && lock(&self.ledger).pending() == 0
        })?;
        Ok(self.totals())
    }

    /// Requests that were begun and that failed, of all services, since the start.
    pub fn totals(&self) -> (u64, u64) {
        let ledger = lock(&self.ledger);
        (ledger.begun, ledger.failed)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed, and nothing is left to do about it here.
            let _ = thread.join();
        }
    }
}

impl Tally {
    /// All answers.
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    /// All failures.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Share of the answers that `server` gave, 0.0 to 1.0.
    pub fn share(&self, server: &str) -> f64 {
        let answers = self.answers.get(server).copied().unwrap_or_default();
        answers as f64 / self.answered().max(1) as f64
    }

    /// The latency that `fraction` of the answers did not exceed.
    pub fn latency(&self, fraction: f64) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        let index = (last as f64 * fraction).round() as usize;
        self.latencies.get(index).copied()
    }
}

async fn drive(targets: Vec<Target>, ledger: &Arc<Mutex<Ledger>>, stop: &AtomicBool) {
    let knocking: Vec<_> = targets
        .into_iter()
        .map(|target| tokio::spawn(knock(target, Arc::clone(ledger))))
        .collect();
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for knocking in knocking {
        knocking.abort();
    }
    // What was begun may end, for as long as it could take.
    let patience = Instant::now() + PATIENCE;
    while lock(ledger).pending() > 0 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Begins a request per tick, whatever became of those before.
async fn knock(target: Target, ledger: Arc<Mutex<Ledger>>) {
    let mut ticks = interval(Duration::from_secs(1) / target.per_second);
    // Late ticks are made up for, so that a busy machine gives the same number of connections per second.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for address in target.addresses.into_iter().cycle() {
        ticks.tick().await;
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let number = lock(&ledger).begin(target.service);
            let outcome = ask(address, target.question).await;
            lock(&ledger).end(number, outcome);
        });
    }
}

/// Longest time for one request: enough for one retransmitted SYN, which a user would notice and bear.
const PATIENCE: Duration = Duration::from_secs(2);

/// One connection, one question, one answer: the last word of what came back.
async fn ask(address: SocketAddr, question: &str) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = match timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(error.kind().to_string()),
        Err(_) => return Err(io::ErrorKind::TimedOut.to_string()),
    };
    answer
        .split_whitespace()
        .next_back()
        .map(str::to_owned)
        .ok_or_else(|| "empty answer".to_owned())
}

/// How long an account is kept.
const MEMORY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Ledger {
    requests: BTreeMap<u64, Request>,
    begun: u64,
    failed: u64,
}

#[derive(Debug)]
struct Request {
    service: &'static str,
    begun: Instant,
    latency: Duration,
    outcome: Option<Result<String, String>>,
}

impl Ledger {
    fn begin(&mut self, service: &'static str) -> u64 {
        let now = Instant::now();
        while let Some(oldest) = self.requests.first_entry()
            && now.duration_since(oldest.get().begun) > MEMORY
        {
            oldest.remove();
        }
        self.begun += 1;
        let request = Request {
            service,
            begun: now,
            latency: Duration::ZERO,
            outcome: None,
        };
        self.requests.insert(self.begun, request);
        self.begun
    }

    fn end(&mut self, number: u64, outcome: Result<String, String>) {
        self.failed += u64::from(outcome.is_err());
        if let Some(request) = self.requests.get_mut(&number) {
            request.latency = request.begun.elapsed();
            request.outcome = Some(outcome);
        }
    }

    fn pending(&self) -> usize {
        let requests = self.requests.values();
        requests.filter(|request| request.outcome.is_none()).count()
    }

    fn tally(&self, service: &str, from: Instant, until: Instant) -> Tally {
        let mut tally = Tally::default();
        let in_span = |request: &&Request| {
            request.service == service && (from..until).contains(&request.begun)
        };
        for request in self.requests.values().filter(in_span) {
            match &request.outcome {
                None => tally.pending += 1,
                Some(Ok(server)) => {
                    *tally.answers.entry(server.clone()).or_default() += 1;
                    tally.latencies.push(request.latency);
                }
                Some(Err(why)) => {
                    *tally.failures.entry(why.clone()).or_default() += 1;
                    tally.last_failure = Some(request.begun);
                }
            }
        }
        tally.latencies.sort_unstable();
        tally
    }
}

/// Numbers stay right even if a thread panicked while it held them.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_what_was_begun_in_its_span() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        for outcome in [
            Ok("web-1"),
            Ok("web-2"),
            Err("connection refused"),
            Ok("web-1"),
        ] {
            let number = ledger.begin("web");
            ledger.end(number, outcome.map(str::to_owned).map_err(str::to_owned));
        }
        ledger.begin("web");
        ledger.begin("db");
        let end = Instant::now() + Duration::from_secs(1);
        let tally = ledger.tally("web", start, end);
        assert_eq!((tally.answered(), tally.failed(), tally.pending), (3, 1, 1));
        assert_eq!(tally.answers["web-1"], 2);
        assert!((tally.share("web-2") - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(ledger.tally("web", end, end), Tally::default());
    }
}
