//! The file as written: sections and the keys they have. Knows no meaning.
//!
//! A section learns its keys from those asked of it; [`Section::finish`] refuses the rest. That is serde's
//! `deny_unknown_fields` for every section of the file at once, where serde would stop at the first mistake.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::address;
use super::error::Findings;
use super::value::Item;
use super::words;

/// A table of the file.
pub(super) struct Section<'t> {
    key: String,
    /// Where its header stands; none for the file's own keys.
    offset: Option<usize>,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
    findings: &'t Findings<'t>,
}

impl<'t> Section<'t> {
    /// The file's own keys.
    pub(super) fn root(table: &'t DeTable<'t>, findings: &'t Findings<'t>) -> Self {
        let (key, asked) = (String::new(), Vec::new());
        Self {
            key,
            offset: None,
            table,
            asked,
            findings,
        }
    }

    /// The value of `key`, if it is there.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Item<'t>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        Some(Item::new(self.join(key), value, self.findings))
    }

    /// The value of `key`, which must be there; `example` shows how to write it.
    pub(super) fn require(&mut self, key: &'static str, example: &str) -> Option<Item<'t>> {
        let item = self.get(key);
        if item.is_none() {
            self.refuse(key, "is missing", format!("add {example}"));
        }
        item
    }

    /// The table `key`, if it is there; `example` shows how to write it.
    pub(super) fn section(&mut self, key: &'static str, example: &str) -> Option<Self> {
        let item = self.get(key)?;
        Self::of(&item, item.key.clone(), &format!("write {example}"))
    }

    /// The tables `key`, in the file's order; messages call them by their `name`, else by their number. `header` is how
    /// the file heads each of them.
    pub(super) fn sections(&mut self, key: &'static str, header: &str) -> Vec<Self> {
        let Some(item) = self.get(key) else {
            return Vec::new();
        };
        let mend = format!("write each {key} as a table of its own, headed {header}");
        let DeValue::Array(values) = item.value else {
            item.refuse_type(&mend);
            return Vec::new();
        };
        let named = |(index, value): (usize, &'t Spanned<DeValue<'t>>)| {
            let item = Item::new(item.key.clone(), value, self.findings);
            let name = value
                .get_ref()
                .get("name")
                .and_then(|name| name.get_ref().as_str());
            let key = match name.filter(|name| address::is_name(name)) {
                Some(name) => format!("{}[{name}]", item.key),
                None => format!("{}[#{}]", item.key, index + 1),
            };
            Self::of(&item, key, &mend)
        };
        values.iter().enumerate().filter_map(named).collect()
    }

    /// Whether no table `key` is written, not even a wrong one.
    pub(super) fn lacks(&self, key: &str) -> bool {
        match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(values)) => values.is_empty(),
            value => value.is_none(),
        }
    }

    /// Records a mistake about `key`, or about the whole section if `key` is empty.
    pub(super) fn refuse(&self, key: &str, problem: &str, mend: impl Into<String>) {
        self.findings
            .add(self.offset, self.join(key), problem, mend);
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let mend = match words::nearest(name, &self.asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", self.asked.join(", ")),
            };
            let key_path = self.join(&name.escape_debug().to_string());
            self.findings
                .add(Some(key.span().start), key_path, "is not a known key", mend);
        }
    }

    fn of(item: &Item<'t>, key: String, mend: &str) -> Option<Self> {
        let Some(table) = item.value.as_table() else {
            item.refuse_type(mend);
            return None;
        };
        let (offset, asked, findings) = (Some(item.offset), Vec::new(), item.findings);
        Some(Self {
            key,
            offset,
            table,
            asked,
            findings,
        })
    }

    fn join(&self, key: &str) -> String {
        match (self.key.as_str(), key) {
            ("", key) => key.to_owned(),
            (section, "") => section.to_owned(),
            (section, key) => format!("{section}.{key}"),
        }
    }
}
