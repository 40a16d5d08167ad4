//! What a script found, step by step, for people and for machines.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

/// Steps as they are played.
#[derive(Debug, Serialize)]
pub struct Report {
    steps: Vec<Step>,
    ok: bool,
    #[serde(skip)]
    json: bool,
}

/// What one step found.
#[derive(Debug, Serialize)]
pub struct Step {
    name: &'static str,
    ok: bool,
    detail: String,
    measured: Map<String, Value>,
}

impl Step {
    /// A step that has measured nothing yet and found nothing wrong.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            ok: true,
            detail: String::new(),
            measured: Map::new(),
        }
    }

    /// Adds a number, or several, to what was measured.
    pub fn measured(&mut self, key: &str, value: impl Into<Value>) {
        self.measured.insert(key.to_owned(), value.into());
    }

    /// Adds to what is told about it.
    pub fn tell(&mut self, what: impl AsRef<str>) {
        if !self.detail.is_empty() {
            self.detail.push_str("; ");
        }
        self.detail.push_str(what.as_ref());
    }

    /// The step holds only if `holds`; otherwise `wanted` says what should have been.
    pub fn expect(&mut self, holds: bool, wanted: impl AsRef<str>) {
        if !holds {
            self.ok = false;
            self.tell(format!("WANTED: {}", wanted.as_ref()));
        }
    }
}

impl Report {
    /// An empty one; with `json`, standard output is left to the object at the end.
    pub fn new(json: bool) -> Self {
        Self {
            steps: Vec::new(),
            ok: true,
            json,
        }
    }

    /// Adds `step` and tells it.
    pub fn add(&mut self, step: Step) {
        let mark = if step.ok { "ok    " } else { "FAILED" };
        let line = format!("{mark}  {:<16}  {}", step.name, step.detail);
        if self.json {
            print(&mut io::stderr(), &line);
        } else {
            print(&mut io::stdout(), &line);
        }
        self.ok &= step.ok;
        self.steps.push(step);
    }

    /// Whether every step held, and there was one.
    pub fn ok(&self) -> bool {
        self.ok && !self.steps.is_empty()
    }

    /// Tells the end.
    pub fn finish(&self) {
        if !self.json {
            let end = if self.ok() {
                "all steps held"
            } else {
                "a step failed"
            };
            return print(&mut io::stdout(), end);
        }
        let object = serde_json::to_string_pretty(self).unwrap_or_else(|error| error.to_string());
        print(&mut io::stdout(), &object);
    }
}

/// A reader that has gone away does not keep the script from ending in good order.
fn print(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}
