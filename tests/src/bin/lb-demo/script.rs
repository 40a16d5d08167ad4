//! The demo as a fixed sequence that checks what it shows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lb_agent::{api::model::Status, health::Health};

use crate::{
    report::{Report, Step},
    stage::{self, Stage},
    stop::Stop,
    traffic::Tally,
};

/// Plays every step; one that cannot be played to its end ends the script.
pub fn play(stage: &mut Stage, stop: &Stop, report: &mut Report) {
    let steps: [(&'static str, Scene); 7] = [
        ("start", start),
        ("even split", even_split),
        ("weight", weight),
        ("servers killed", servers_killed),
        ("servers back", servers_back),
        ("agent killed", agent_killed),
        ("agent back", agent_back),
    ];
    let mut play = Play { stage, stop };
    for (name, scene) in steps {
        let mut step = Step::new(name);
        let result = scene(&mut play, &mut step);
        if let Err(error) = &result {
            step.expect(false, format!("a step that can be played: {error:#}"));
        }
        report.add(step);
        if result.is_err() {
            break;
        }
    }
}

type Scene = fn(&mut Play<'_>, &mut Step) -> Result<()>;

struct Play<'a> {
    stage: &'a mut Stage,
    stop: &'a Stop,
}

const BACKENDS: [&str; 4] = ["web/web-1", "web/web-2", "db/db-1", "db/db-2"];

fn start(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let took = play.wait_for(Health::Up, &BACKENDS)?;
    let status = play.stage.agent().status()?;
    for interface in &status.interfaces {
        step.tell(format!("{} XDP on {}", interface.mode, interface.name));
    }
    step.tell(format!(
        "agent {}, every probe up after {}",
        status.pid,
        ms(took)
    ));
    step.measured("probes_up_ms", millis(took));
    play.stage.start_traffic()
}

fn even_split(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let (web, db) = play.watch(Instant::now(), Duration::from_secs(2))?;
    tell(step, &web, &db);
    expect_share(step, &web, "web-1", 0.5);
    expect_share(step, &db, "db-1", 1.0);
    expect_no_failures(step, &web, &db);
    Ok(())
}

fn weight(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let asked = Instant::now();
    play.stage.agent().lb_ok(["weight", "web/web-2", "50"])?;
    let took = asked.elapsed();
    step.measured("command_ms", millis(took));
    // Counted from the command's return: from then on every new connection obeys.
    let (web, db) = play.watch(Instant::now(), Duration::from_secs(3))?;
    step.tell(format!("web-2 at 50 within {}", ms(took)));
    tell(step, &web, &db);
    expect_share(step, &web, "web-1", 2.0 / 3.0);
    expect_no_failures(step, &web, &db);
    Ok(())
}

fn servers_killed(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let killed = Instant::now();
    play.stage.node(1)?.stop_servers();
    let detected = play.wait_for(Health::Down, &["web/web-1", "db/db-1"])?;
    let seen_down = Instant::now();
    play.stop.sleep(Duration::from_millis(200))?;
    let (web, db) = play.settled(killed, Instant::now())?;
    let last_failure = web.last_failure.max(db.last_failure);
    let flipped = last_failure.map_or(Duration::ZERO, |last| last.duration_since(killed));
    step.tell(format!(
        "node 1 found dead after {}, last failed connection begun after {}, {} failed",
        ms(detected),
        ms(flipped),
        web.failed() + db.failed()
    ));
    step.measured("detected_ms", millis(detected));
    step.measured("last_failure_ms", millis(flipped));
    step.measured("failed_before_flip", web.failed() + db.failed());
    let (web, db) = play.watch(seen_down, Duration::from_millis(1500))?;
    tell(step, &web, &db);
    expect_share(step, &web, "web-2", 1.0);
    expect_share(step, &db, "db-2", 1.0);
    expect_no_failures(step, &web, &db);
    Ok(())
}

fn servers_back(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let started = Instant::now();
    play.stage.start_servers(1)?;
    let found = play.wait_for(Health::Up, &BACKENDS)?;
    step.tell(format!("node 1 found alive after {}", ms(found)));
    step.measured("detected_ms", millis(found));
    let (web, db) = play.watch(Instant::now(), Duration::from_secs(3))?;
    tell(step, &web, &db);
    expect_share(step, &web, "web-1", 2.0 / 3.0);
    expect_share(step, &db, "db-1", 1.0);
    let (web, db) = play.settled(started, Instant::now())?;
    expect_no_failures(step, &web, &db);
    Ok(())
}

fn agent_killed(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let killed = Instant::now();
    play.stage.agent().kill9();
    let (web, db) = play.watch(killed, Duration::from_secs(3))?;
    ensure!(
        play.stage.agent().status().is_err(),
        "an agent still answers after kill -9"
    );
    step.tell("no agent");
    tell(step, &web, &db);
    expect_share(step, &web, "web-1", 2.0 / 3.0);
    expect_share(step, &db, "db-1", 1.0);
    expect_no_failures(step, &web, &db);
    Ok(())
}

fn agent_back(play: &mut Play<'_>, step: &mut Step) -> Result<()> {
    let started = Instant::now();
    play.stage.agent().restart()?;
    let took = started.elapsed();
    let status = play.stage.agent().status()?;
    let kept = stage::backend(&status, "web/web-2").context("web-2 is gone")?;
    step.tell(format!(
        "answers after {}, web-2 at {} (configured {})",
        ms(took),
        kept.weight,
        kept.configured_weight
    ));
    step.measured("answers_after_ms", millis(took));
    step.measured("weight", kept.weight);
    step.measured("configured_weight", kept.configured_weight);
    step.expect(
        (kept.weight, kept.configured_weight) == (50, 100),
        "the weight set before the kill",
    );
    // From before the start: adopting what runs must not disturb it.
    let (web, db) = play.watch(started, Duration::from_secs(3))?;
    tell(step, &web, &db);
    expect_share(step, &web, "web-1", 2.0 / 3.0);
    expect_share(step, &db, "db-1", 1.0);
    expect_no_failures(step, &web, &db);
    Ok(())
}

impl Play<'_> {
    fn wait_for(&mut self, health: Health, backends: &[&str]) -> Result<Duration> {
        let (stage, stop) = (&mut *self.stage, self.stop);
        let what = format!("{} to be {health:?}", backends.join(", "));
        let mut last: Option<Status> = None;
        let waited = stop.wait(Duration::from_secs(10), &what, || {
            last = stage.agent().status().ok();
            last.as_ref()
                .is_some_and(|status| stage::all_are(status, health, backends))
        });
        waited.with_context(|| match &last {
            Some(status) => healths(status, backends),
            None => format!(
                "the agent does not answer; it wrote:\n{}",
                self.stage.agent().log()
            ),
        })
    }

    /// The requests begun from `from` until `time` from now, all of them ended.
    fn watch(&self, from: Instant, time: Duration) -> Result<(Tally, Tally)> {
        self.stop.sleep(time)?;
        self.settled(from, Instant::now())
    }

    fn settled(&self, from: Instant, until: Instant) -> Result<(Tally, Tally)> {
        let traffic = self.stage.traffic()?;
        let tallies = || {
            let tally = |service| traffic.tally(service, from, until);
            (tally("web"), tally("db"))
        };
        self.stop
            .wait(Duration::from_secs(5), "every request to end", || {
                let (web, db) = tallies();
                web.pending + db.pending == 0
            })?;
        Ok(tallies())
    }
}

fn tell(step: &mut Step, web: &Tally, db: &Tally) {
    for (service, tally) in [("web", web), ("db", db)] {
        let answers: Vec<_> = tally
            .answers
            .iter()
            .map(|(server, count)| format!("{server} {count}"))
            .collect();
        step.tell(answers.join(", "));
        step.measured(
            &format!("{service}_answers"),
            serde_json::json!(tally.answers),
        );
        step.measured(
            &format!("{service}_failures"),
            serde_json::json!(tally.failures),
        );
        if let Some(p99) = tally.latency(0.99) {
            step.measured(&format!("{service}_p99_ms"), millis(p99));
        }
    }
}

/// The exact share but for the connections at both ends of the window.
fn expect_share(step: &mut Step, tally: &Tally, server: &str, share: f64) {
    let answered = tally.answered();
    let served = tally.answers.get(server).copied().unwrap_or_default();
    let off = served as f64 - answered as f64 * share;
    step.expect(
        answered > 0 && off.abs() <= 3.0,
        format!(
            "{:.0} of {answered} answers from {server}, give or take 3, not {served}",
            answered as f64 * share
        ),
    );
}

fn expect_no_failures(step: &mut Step, web: &Tally, db: &Tally) {
    let failed = web.failed() + db.failed();
    if failed == 0 {
        return step.tell("0 failed");
    }
    let why: Vec<_> = [web, db]
        .iter()
        .flat_map(|tally| &tally.failures)
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    step.expect(
        false,
        format!("no failure, not {failed} ({})", why.join(", ")),
    );
}

fn healths(status: &Status, backends: &[&str]) -> String {
    let health = |name: &&str| match stage::backend(status, name) {
        Some(backend) => format!("{name} is {:?}: {}", backend.health, backend.why),
        None => format!("{name} is not there"),
    };
    backends.iter().map(health).collect::<Vec<_>>().join("; ")
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", millis(time))
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
