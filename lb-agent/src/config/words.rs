//! Words that stand for a choice, and the known word nearest to a mistyped one.

use std::fmt;

use super::{Backups, Failback, Forward, OnDown, Protocol, Reply, Scheduler, XdpMode};

/// A choice the file makes by a word.
pub(super) trait Word: Copy + 'static {
    /// Every word and what it stands for.
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for XdpMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("native", Self::Native),
        ("generic", Self::Generic),
    ];
}

impl Word for Scheduler {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("round-robin", Self::RoundRobin),
        ("maglev", Self::Maglev),
        ("least-connections", Self::LeastConnections),
        ("random-2", Self::Random2),
        ("source-hash", Self::SourceHash),
    ];
}

impl Word for Forward {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("dsr", Self::Dsr),
        ("nat", Self::Nat),
        ("ipip", Self::Ipip),
        ("gue", Self::Gue),
    ];
}

impl Word for Reply {
    const WORDS: &'static [(&'static str, Self)] =
        &[("last-hop", Self::LastHop), ("route", Self::Route)];
}

impl Word for OnDown {
    const WORDS: &'static [(&'static str, Self)] = &[("reset", Self::Reset), ("keep", Self::Keep)];
}

impl Word for Backups {
    const WORDS: &'static [(&'static str, Self)] = &[("first", Self::First), ("all", Self::All)];
}

impl Word for Failback {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("manual", Self::Manual)];
}

impl Word for Protocol {
    const WORDS: &'static [(&'static str, Self)] = &[("tcp", Self::Tcp), ("udp", Self::Udp)];
}

/// A probe's `type`; the rest of a [`super::ProbeKind`] has keys of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeType {
    Tcp,
    Http,
}

impl Word for ProbeType {
    const WORDS: &'static [(&'static str, Self)] = &[("tcp", Self::Tcp), ("http", Self::Http)];
}

/// What `text` stands for.
pub(super) fn read<T: Word>(text: &str) -> Option<T> {
    let word = T::WORDS.iter().find(|(word, _)| *word == text);
    word.map(|(_, value)| *value)
}

/// The word that stands for `value`.
fn word<T: Word + PartialEq>(value: T) -> &'static str {
    let found = T::WORDS.iter().find(|(_, known)| *known == value);
    found.map_or("", |(word, _)| *word)
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(*self))
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(*self))
    }
}

/// The words of `T` for a message: `"auto", "native" or "generic"`.
pub(super) fn list<T: Word>() -> String {
    join(T::WORDS.iter().map(|(word, _)| *word))
}

/// The words of these values of `T` for a message.
pub(super) fn list_of<T: Word + PartialEq>(values: &[T]) -> String {
    let chosen = T::WORDS.iter().filter(|(_, value)| values.contains(value));
    join(chosen.map(|(word, _)| *word))
}

fn join<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<_> = words.map(|word| format!("{word:?}")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    /// Similarity below which a suggestion misleads more often than it helps: `inter` still finds `interval`.
    const ENOUGH: f64 = 0.8;
    let word = word.to_lowercase().replace('-', "_");
    let scored = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&word, known), *known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > ENOUGH)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_shown_as_it_is_written() {
        for text in ["round-robin", "maglev", "source-hash"] {
            assert_eq!(read::<Scheduler>(text).unwrap().to_string(), text);
        }
        for text in ["dsr", "nat", "ipip", "gue"] {
            assert_eq!(read::<Forward>(text).unwrap().to_string(), text);
        }
    }
}
