//! Why a server died: what its last lines and its exit status say, named, with
//! one hint. The causes themselves are in a table beside this.

mod known;

use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use known::{CAUSES, Cause, Weight};

/// Longest line that is kept, characters.
const LINE_CHARS: usize = 300;
const SIGKILL: i32 = 9;
/// Exit status by which shells and container engines report SIGKILL.
const SIGKILL_STATUS: i32 = 128 + SIGKILL;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// A cause that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownCause {
    /// Its name, such as `CUDA out of memory`.
    pub name: String,
    /// One thing to do.
    pub hint: String,
    /// The line that names it, at most 300 characters; absent if only the exit
    /// status does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

impl KnownCause {
    fn new(cause: &Cause, line: Option<&str>) -> Self {
        Self {
            name: cause.name.to_owned(),
            hint: cause.hint.to_owned(),
            line: line.map(|line| line.trim().chars().take(LINE_CHARS).collect()),
        }
    }
}

struct Table {
    /// Every pattern of every cause, in order.
    patterns: RegexSet,
    /// Place in [`CAUSES`] of the cause of each pattern.
    cause_of: Vec<usize>,
    /// A line of a log that reports success, or something harmless.
    harmless: Regex,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let every = CAUSES.iter().enumerate();
    let pairs = every.flat_map(|(place, cause)| cause.patterns.iter().map(move |p| (place, *p)));
    let (cause_of, patterns): (Vec<usize>, Vec<&str>) = pairs.unzip();
    Table {
        patterns: RegexSet::new(patterns).expect("the patterns are constants that a test compiles"),
        cause_of,
        harmless: Regex::new(r"\b(?:INFO|WARNING|DEBUG)\b[: ]").expect("the pattern is a constant"),
    }
});

impl Table {
    /// The first cause of the table, and so the most specific one, of that
    /// weight that the line names.
    fn cause_in(&self, line: &str, weight: Weight) -> Option<&'static Cause> {
        let found = self.patterns.matches(line);
        let causes = found.iter().map(|pattern| self.cause_of[pattern]);
        let causes = causes.filter(|place| CAUSES[*place].weight == weight);
        causes.min().map(|place| &CAUSES[place])
    }
}

/// The known cause of a failure: from the last of `lines` that names one,
/// otherwise from `ended`.
///
/// `lines`: the last lines of the log in order, some hundreds, because an engine
/// of several processes writes a trace per process after the line that names it;
/// then what was found out otherwise. Where a line fits several causes, the most
/// specific counts; a cause that others bring along counts only where no other
/// is found. `None`: unknown.
#[must_use]
pub fn find<'a>(
    lines: impl DoubleEndedIterator<Item = &'a str> + Clone,
    ended: Option<Ended>,
) -> Option<KnownCause> {
    let table = &*TABLE;
    for weight in [Weight::Own, Weight::Symptom] {
        let telling = lines
            .clone()
            .rev()
            .filter(|line| !table.harmless.is_match(line));
        let mut causes = telling.filter_map(|line| Some((table.cause_in(line, weight)?, line)));
        if let Some((cause, line)) = causes.next() {
            return Some(KnownCause::new(cause, Some(line)));
        }
    }
    matches!(
        ended,
        Some(Ended::Signal(SIGKILL) | Ended::Status(SIGKILL_STATUS))
    )
    .then(|| KnownCause::new(&known::KILLED, None))
}

/// The page of the known causes, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "# Known causes

This page is generated from the table that the program uses.

When a backend could not be started or did not last, the end of its logs and its exit status are
searched for one of these. The cause is shown with its hint beside the last lines of the log, and
kept as `cause` in `run.json` and as `known_cause` in `report.json`, with the line that shows it.
The last line that shows one counts; if it fits several, the first of this table.

| Cause | Hint |
|---|---|
"
    .to_owned();
    for cause in CAUSES.iter().chain([&known::KILLED]) {
        page.push_str(&format!("| {} | {} |\n", cause.name, cause.hint));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_every_hint_is_one_thing_to_do() {
        assert!(!TABLE.patterns.is_empty());
        for cause in CAUSES {
            assert!(!cause.patterns.is_empty(), "{}", cause.name);
            assert!(!cause.hint.ends_with('.'), "{}", cause.name);
            let same = CAUSES.iter().filter(|other| other.name == cause.name);
            assert_eq!(same.count(), 1, "{}", cause.name);
        }
    }

    #[test]
    fn a_kill_without_a_log_line_is_named_and_an_ordinary_end_is_unknown() {
        let lines = ["loading weights"];
        let found = |ended| find(lines.iter().copied(), ended);
        let killed = found(Some(Ended::Signal(9))).unwrap();
        assert_eq!(
            (killed.name.as_str(), killed.line),
            ("killed (SIGKILL)", None)
        );
        assert_eq!(found(Some(Ended::Status(137))).unwrap().name, killed.name);
        assert_eq!(found(Some(Ended::Status(1))), None);
        assert_eq!(found(None), None);
    }
}
