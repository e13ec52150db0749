//! What checks find.

use thiserror::Error;

use crate::yaml::PathStep;

/// One thing wrong with a config.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` {fact}", crate::yaml::dotted(path))]
pub struct CheckError {
    /// Path of the key, outermost first.
    pub path: Vec<PathStep>,
    /// What is wrong: value and limit.
    pub fact: String,
    /// One thing to do, if there is one.
    pub hint: Option<String>,
}

/// What is wrong so far.
#[derive(Default)]
pub(super) struct Found(pub(super) Vec<CheckError>);

impl Found {
    pub(super) fn add(&mut self, path: &str, fact: impl Into<String>) {
        self.add_hint(path, fact, None);
    }

    pub(super) fn add_hint(&mut self, path: &str, fact: impl Into<String>, hint: Option<&str>) {
        self.0.push(CheckError {
            path: steps(path),
            fact: fact.into(),
            hint: hint.map(str::to_owned),
        });
    }
}

impl Found {
    /// Takes in what was found in a section that stands at `path` in this config, and
    /// whose own paths begin with its name.
    pub(super) fn take_in(&mut self, section: Self, path: &str) {
        let moved = section.0.into_iter().map(|mut error| {
            error.path.splice(..1, steps(path));
            error
        });
        self.0.extend(moved);
    }
}

fn steps(path: &str) -> Vec<PathStep> {
    let steps = path.split('.').map(|step| match step.parse::<usize>() {
        Ok(index) => PathStep::Index(index),
        Err(_) => PathStep::Key(step.to_owned()),
    });
    steps.collect()
}
