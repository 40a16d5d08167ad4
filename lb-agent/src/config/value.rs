//! One value of the file: its place and name, and the readings of it. A reading that fails records why and gives none.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::Findings;
use super::words::{self, Word};

/// A value of the file.
pub(super) struct Item<'t> {
    /// Its name from the top of the file, such as `service[web].listen`.
    pub(super) key: String,
    /// Where it stands, in bytes.
    pub(super) offset: usize,
    pub(super) value: &'t DeValue<'t>,
    pub(super) findings: &'t Findings<'t>,
}

impl<'t> Item<'t> {
    pub(super) fn new(
        key: String,
        value: &'t Spanned<DeValue<'t>>,
        findings: &'t Findings<'t>,
    ) -> Self {
        Self {
            key,
            offset: value.span().start,
            value: value.get_ref(),
            findings,
        }
    }

    /// The line it stands on, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.findings.line(self.offset)
    }

    /// Records a mistake about this value.
    pub(super) fn refuse(&self, problem: impl Into<String>, mend: impl Into<String>) {
        self.findings
            .add(Some(self.offset), self.key.clone(), problem, mend);
    }

    /// Its text; `mend` shows what to write.
    pub(super) fn text(&self, mend: &str) -> Option<&'t str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.refuse_type(mend);
        }
        text
    }

    /// Its text read as a `T`; `mend` shows how one is written.
    pub(super) fn parse<T: FromStr>(&self, mend: &str) -> Option<T> {
        let text = self.text(mend)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.refuse(format!("{} cannot be read", self.show()), mend);
        }
        value
    }

    /// Its text, if it is one of the words of `T`.
    pub(super) fn word<T: Word>(&self) -> Option<T> {
        let mend = format!("use {}", words::list::<T>());
        let text = self.text(&mend)?;
        let word = words::read(text);
        if word.is_none() {
            self.refuse(format!("{} is not a known word here", self.show()), mend);
        }
        word
    }

    /// Its whole number; `mend` says which are right.
    pub(super) fn integer(&self, allowed: RangeInclusive<u32>, mend: &str) -> Option<u32> {
        let DeValue::Integer(written) = self.value else {
            self.refuse_type("write a whole number without quotes");
            return None;
        };
        let number = i64::from_str_radix(written.as_str(), written.radix()).ok();
        let number = number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| allowed.contains(number));
        if number.is_none() {
            self.refuse(
                format!(
                    "{written} is outside {}..={}",
                    allowed.start(),
                    allowed.end()
                ),
                mend,
            );
        }
        number
    }

    /// Its truth.
    pub(super) fn flag(&self) -> Option<bool> {
        let DeValue::Boolean(flag) = self.value else {
            self.refuse_type("write true or false, without quotes");
            return None;
        };
        Some(*flag)
    }

    /// Its duration, such as `"500ms"` or `"1h 30m"`.
    pub(super) fn duration(&self, allowed: RangeInclusive<Duration>) -> Option<Duration> {
        const MEND: &str =
            r#"write a number and its unit in quotes, such as "500ms", "2s" or "1h""#;
        let text = self.text(MEND)?;
        let Ok(duration) = humantime::parse_duration(text) else {
            self.refuse(format!("{} is not a duration", self.show()), MEND);
            return None;
        };
        let [low, high] = [*allowed.start(), *allowed.end()].map(humantime::format_duration);
        if !allowed.contains(&duration) {
            self.refuse(
                format!(
                    "{} is outside {low}..={high}",
                    humantime::format_duration(duration)
                ),
                format!("use a duration from {low} to {high}"),
            );
            return None;
        }
        Some(duration)
    }

    /// Its values, if it is a list of at least one.
    pub(super) fn list(&self, example: &str) -> Vec<Self> {
        let mend = format!("write {example}");
        let DeValue::Array(values) = self.value else {
            self.refuse_type(&mend);
            return Vec::new();
        };
        if values.is_empty() {
            self.refuse("is empty", mend);
        }
        values
            .iter()
            .map(|value| Self::new(self.key.clone(), value, self.findings))
            .collect()
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether it is a number.
    pub(super) fn is_integer(&self) -> bool {
        self.value.is_integer()
    }

    /// Records that the value has the wrong type.
    pub(super) fn refuse_type(&self, mend: &str) {
        let article = if matches!(self.value, DeValue::Integer(_) | DeValue::Array(_)) {
            "an"
        } else {
            "a"
        };
        self.refuse(
            format!("{} is {article} {}", self.show(), self.value.type_str()),
            mend,
        );
    }

    /// The value for a message, in the file's own notation and not too long.
    fn show(&self) -> String {
        const MOST: usize = 80;
        let whole = match self.value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) => "[...]".to_owned(),
            DeValue::Table(_) => "{...}".to_owned(),
        };
        match whole.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}...", &whole[..end]),
            None => whole,
        }
    }
}
