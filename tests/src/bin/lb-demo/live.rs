//! The demo on a terminal: draws, listens to keys, and does with the real command line what a key stands for.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};

use lb_agent::api::model::Intent;

use crate::{
    rates::History,
    screen::{self, View},
    stage::{self, Stage},
    stop::Stop,
};

/// Runs until a key, a signal or the clock ends it; the terminal is as before then, also after a panic.
pub fn run(stage: &mut Stage, stop: &Stop) -> Result<()> {
    stage.start_traffic()?;
    let mut terminal = ratatui::try_init().context("taking over the terminal")?;
    let result = Live::new(stage).play(&mut terminal, stop);
    if !io::stdout().is_terminal() {
        mute().context("after the terminal hung up")?;
    }
    ratatui::restore();
    result
}

/// The terminal was there at first and has hung up: ratatui reports that it cannot be restored, `eprintln!` panics
/// because nobody takes the report, and two such panics would keep us from tidying up.
fn mute() -> Result<()> {
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}

struct Live<'a> {
    stage: &'a mut Stage,
    history: History,
    /// Number of the node that keys act on.
    selected: u8,
    /// What the last key did.
    message: String,
}

/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(250);
/// How far back the client's account on the screen goes.
const CLIENT_SPAN: Duration = Duration::from_secs(2);

/// Events of the terminal, read by a thread of its own: of a terminal that has hung up, crossterm goes on reading
/// for ever, and whoever waits for that cannot tidy up.
fn listen() -> Receiver<Event> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(event) = event::read()
            && sender.send(event).is_ok()
        {}
    });
    receiver
}

impl<'a> Live<'a> {
    fn new(stage: &'a mut Stage) -> Self {
        Self {
            stage,
            history: History::default(),
            selected: 1,
            message: "press a key, or type one of the commands in another terminal".to_owned(),
        }
    }

    fn play(&mut self, terminal: &mut DefaultTerminal, stop: &Stop) -> Result<()> {
        let keys = listen();
        while !stop.now() {
            let view = self.look()?;
            terminal
                .draw(|frame| screen::draw(frame, &view))
                .context("drawing")?;
            let next = Instant::now() + FRAME;
            loop {
                match keys.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(event) if self.react(&event)? => return Ok(()),
                    Ok(_) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => bail!("the terminal is gone"),
                }
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<View<'_>> {
        let now = Instant::now();
        match self.stage.agent().status() {
            Ok(status) => self.history.push(now, status),
            Err(_) => self.history.clear(),
        }
        let traffic = self.stage.traffic()?;
        let since = now.checked_sub(CLIENT_SPAN).unwrap_or(now);
        let client = ["web", "db"].map(|service| (service, traffic.tally(service, since, now)));
        let totals = traffic.totals();
        let commands = self.commands()?;
        Ok(View {
            history: &self.history,
            client,
            client_span: CLIENT_SPAN,
            totals,
            selected: self.selected,
            commands,
            message: &self.message,
        })
    }

    fn commands(&mut self) -> Result<Vec<String>> {
        let node = self.selected;
        let pids = self.stage.node(node.into())?.pids();
        let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
        let mut commands = vec![
            self.stage.typed("status --watch"),
            self.stage.typed(&format!("weight web/web-{node} 50")),
            self.stage.typed(&format!("drain web/web-{node}")),
            self.stage.typed("explain 10.77.0.1:40000 192.0.2.10:80"),
            format!(
                "sudo nsenter --net={} curl http://192.0.2.10/",
                self.stage.client_namespace().display()
            ),
            format!(
                "sudo kill -9 {}    # the servers of node {node}",
                pids.join(" ")
            ),
        ];
        if let Some(pid) = self.stage.agent().pid() {
            commands.push(format!("sudo kill -9 {pid}    # the agent"));
        }
        Ok(commands)
    }

    /// Does what a key stands for; true if that is to end.
    fn react(&mut self, event: &Event) -> Result<bool> {
        let Event::Key(key) = event else {
            return Ok(false);
        };
        if key.kind != KeyEventKind::Press {
            return Ok(false);
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Ok(true),
            KeyCode::Char('q') => return Ok(true),
            KeyCode::Char('1') => self.selected = 1,
            KeyCode::Char('2') => self.selected = 2,
            KeyCode::Char('+' | '=') => self.change_weight(10),
            KeyCode::Char('-') => self.change_weight(-10),
            KeyCode::Char('d') => self.toggle_drain(),
            KeyCode::Char('s') => self.toggle_servers()?,
            KeyCode::Char('a') => self.toggle_agent(),
            _ => {}
        }
        Ok(false)
    }

    fn change_weight(&mut self, by: i32) {
        let backend = self.web();
        let Some(now) = self
            .history
            .last()
            .and_then(|status| stage::backend(status, &backend))
        else {
            return self.no_agent();
        };
        let weight = (i32::from(now.weight) + by).clamp(0, 256).to_string();
        self.lb(&["weight", &backend, &weight]);
    }

    fn toggle_drain(&mut self) {
        let backend = self.web();
        match self
            .history
            .last()
            .and_then(|status| stage::backend(status, &backend))
        {
            None => self.no_agent(),
            Some(now) if now.intent == Intent::Ready => self.lb(&["drain", &backend]),
            Some(_) => self.lb(&["ready", &backend]),
        }
    }

    fn toggle_servers(&mut self) -> Result<()> {
        let number = self.selected;
        let node = self.stage.node(number.into())?;
        if node.is_running() {
            node.stop_servers();
            self.message = format!("killed web-{number} and db-{number}; s starts them again");
        } else {
            self.stage.start_servers(number)?;
            self.message = format!("started web-{number} and db-{number}");
        }
        Ok(())
    }

    fn toggle_agent(&mut self) {
        let agent = self.stage.agent();
        self.message = match agent.pid() {
            Some(pid) => {
                agent.kill9();
                format!("kill -9 {pid}: the agent is gone, the kernel goes on; a starts it again")
            }
            None => match agent.restart() {
                Ok(()) => "started the agent; it adopts what runs".to_owned(),
                Err(error) => format!("{error:#}"),
            },
        };
    }

    /// Runs the command line, as a person would, and shows what it said.
    fn lb(&mut self, args: &[&str]) {
        let said = match self.stage.agent().lb_ok(args) {
            Ok(output) => output.trim().to_owned(),
            Err(error) => format!("{error:#}"),
        };
        self.message = format!("lb {}: {said}", args.join(" "));
    }

    fn no_agent(&mut self) {
        self.message = "no agent answers, and it takes one to change this; a starts it".to_owned();
    }

    fn web(&self) -> String {
        format!("web/web-{}", self.selected)
    }
}
