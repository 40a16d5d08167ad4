//! Tables and lines on standard output.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;

/// Prints rows under a header, in columns.
pub fn print(header: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    line(&text(header, rows))
}

/// Rows under a header, in columns.
pub fn text(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(header.to_vec())
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Prints one line, or several.
pub fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string_pretty(value)?)?)
}
