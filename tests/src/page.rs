//! Tables in pages of the docs, each between two comments that name it and the command that makes it.

use anyhow::{Context as _, Result};

/// A page, and what makes its tables.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The file's name.
    pub name: &'static str,
    /// The command.
    pub command: &'static str,
}

impl Page {
    /// `text`, the page's, with `table` at the place called `marker`.
    ///
    /// # Errors
    /// Where the page has no such place.
    pub fn with(&self, text: &str, marker: &str, table: &str) -> Result<String> {
        let Self { name, command } = self;
        let begin = format!("<!-- {marker}: made by `{command}` -->\n");
        let end = format!("<!-- end of {marker} -->");
        let parts = text
            .split_once(&begin)
            .and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
        let (head, tail) =
            parts.with_context(|| format!("{name} has no place for {marker}: {begin}{end}"))?;
        Ok(format!("{head}{begin}\n{table}\n{end}{tail}"))
    }
}
