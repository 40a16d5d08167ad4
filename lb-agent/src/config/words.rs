//! Words that stand for a choice, and the known word nearest to a mistyped one.

use super::{Backups, Failback, Forward, OnDown, Protocol, Scheduler, XdpMode};

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
    const WORDS: &'static [(&'static str, Self)] = &[("round-robin", Self::RoundRobin)];
}

impl Word for Forward {
    const WORDS: &'static [(&'static str, Self)] = &[("dsr", Self::Dsr)];
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

/// The words of `T` for a message: `"auto", "native" or "generic"`.
pub(super) fn list<T: Word>() -> String {
    let words: Vec<_> = T::WORDS
        .iter()
        .map(|(word, _)| format!("{word:?}"))
        .collect();
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
