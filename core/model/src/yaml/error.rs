//! The error of the loader: a place, a fact, a limit.

use std::fmt::Write as _;

/// A place in the text: line and column, both from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// The value of a map's key.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A path as people write it: `load.levels[2].rate`; empty for the root.
pub fn dotted(path: &[PathStep]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            PathStep::Key(key) if out.is_empty() => out.push_str(key),
            PathStep::Key(key) => {
                out.push('.');
                out.push_str(key);
            }
            PathStep::Index(index) => {
                // Writing into a String cannot fail.
                let _ = write!(out, "[{index}]");
            }
        }
    }
    out
}

/// What is wrong with a YAML text, and where.
///
/// Displays as one line: ``FILE:LINE:COL: `dotted.path` fact, limit``.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct YamlError {
    /// The file's name as the caller gave it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Dotted path of the value or key; empty for the whole document.
    pub path: String,
    /// Fact and limit, the path included.
    pub message: String,
    /// One thing to do about it.
    pub hint: Option<String>,
}

impl YamlError {
    /// One thing to do about it, if there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(super) fn new(file: &str, mark: Mark, path: String, message: String) -> Self {
        Self {
            file: file.to_owned(),
            line: mark.line,
            column: mark.column,
            path,
            message,
            hint: None,
        }
    }

    /// An error whose message is "`path` fact".
    pub(super) fn about(file: &str, mark: Mark, path: &[PathStep], fact: &Fact) -> Self {
        let path = dotted(path);
        let message = format!("{} {}", subject(&path), fact.text);
        Self::new(file, mark, path, message).with_hint(fact.hint.clone())
    }

    pub(super) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// A fact (and limit) about a value whose place is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Fact {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// How a message names a path.
pub(super) fn subject(path: &str) -> String {
    if path.is_empty() {
        "the document".to_owned()
    } else {
        format!("`{path}`")
    }
}

/// Text in quotes, on one line, cut after 60 characters.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut out: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|c| c.escape_debug().filter(move |e| c != '\'' || *e != '\\'))
        .collect();
    if text.chars().count() > SHOWN {
        out.push_str("...");
    }
    format!("\"{out}\"")
}
