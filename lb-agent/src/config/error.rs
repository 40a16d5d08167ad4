//! Mistakes of a configuration file, as data and as lines for a terminal.

use std::cell::RefCell;
use std::fmt;
use std::io;

use serde::Serialize;
use toml::de::Error as SyntaxError;

/// One mistake: where it stands, what it is, how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file, as the reader named it.
    pub file: String,
    /// Line, counted from 1; none where something is absent from the whole file.
    pub line: Option<usize>,
    /// The key, such as `service[web].backend[web-1].weight`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub mend: String,
    /// For text that is not TOML, the line that shows it.
    pub excerpt: Option<Excerpt>,
}

/// A line of the file and a place on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// Column, counted from 1 in characters.
    pub column: usize,
    /// The line, tabs as single spaces.
    pub text: String,
}

/// All mistakes of one file, in its order; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The mistakes, in the file's order.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        let mend = match error.kind() {
            io::ErrorKind::NotFound => "create it, or name another with --config FILE",
            io::ErrorKind::PermissionDenied => {
                "run as a user who may read it, or mend its permissions"
            }
            io::ErrorKind::InvalidData => "save it as UTF-8 text",
            _ => "name a readable file with --config FILE",
        };
        Self(vec![ConfigError {
            file: file.to_owned(),
            line: None,
            key: String::new(),
            problem: format!("cannot be read: {error}"),
            mend: mend.to_owned(),
            excerpt: None,
        }])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(Excerpt { column, .. }) = &self.excerpt {
            write!(f, ":{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}; {}", self.problem, self.mend)?;
        if let (Some(line), Some(Excerpt { column, text })) = (self.line, &self.excerpt) {
            let gutter = line.to_string().len();
            write!(
                f,
                "\n  {line} | {text}\n  {:gutter$} | {:>column$}",
                "", "^"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
impl std::error::Error for ConfigErrors {}

/// Collects mistakes while a text is read, and knows on which line an offset lies.
pub(super) struct Findings<'t> {
    file: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
    errors: RefCell<Vec<ConfigError>>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            file,
            text,
            line_starts: std::iter::once(0).chain(after_newlines).collect(),
            errors: RefCell::default(),
        }
    }

    /// Line of the byte at `offset`, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Records a mistake; `offset` is none where something is absent from the whole file.
    pub(super) fn add(
        &self,
        offset: Option<usize>,
        key: String,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.errors.borrow_mut().push(ConfigError {
            file: self.file.to_owned(),
            line: offset.map(|offset| self.line(offset)),
            key,
            problem: problem.into(),
            mend: mend.into(),
            excerpt: None,
        });
    }

    /// Records what makes the text not TOML: the first mistake of each line, for the parser's later ones follow from
    /// it.
    pub(super) fn add_syntax(&self, mut errors: Vec<SyntaxError>) {
        errors.sort_by_key(offset_of);
        errors.dedup_by_key(|error| self.line(offset_of(error)));
        for error in errors {
            let offset = offset_of(&error);
            let (problem, mend) = match error.message().split_once(", expected ") {
                Some((problem, expected)) => (problem, format!("expected {expected}")),
                None => match error.message() {
                    "duplicate key" => ("duplicate key", "keep one of the two".to_owned()),
                    problem => (problem, "correct this line".to_owned()),
                },
            };
            self.errors.borrow_mut().push(ConfigError {
                file: self.file.to_owned(),
                line: Some(self.line(offset)),
                key: String::new(),
                problem: problem.to_owned(),
                mend,
                excerpt: Some(self.excerpt(offset)),
            });
        }
    }

    /// The mistakes by line, or `value` if there are none.
    pub(super) fn conclude<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        let mut errors = self.errors.into_inner();
        match value {
            Some(value) if errors.is_empty() => Ok(value),
            _ => {
                errors.sort_by_key(|error| error.line);
                Err(ConfigErrors(errors))
            }
        }
    }

    fn excerpt(&self, offset: usize) -> Excerpt {
        let start = self.line_starts[self.line(offset) - 1];
        let line = self.text[start..].lines().next().unwrap_or_default();
        let before = line
            .char_indices()
            .take_while(|(at, _)| start + at < offset);
        Excerpt {
            column: before.count() + 1,
            text: line.replace('\t', " "),
        }
    }
}

fn offset_of(error: &SyntaxError) -> usize {
    error.span().map_or(0, |span| span.start)
}
