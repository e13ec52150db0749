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
        let path = path
            .split('.')
            .map(|step| match step.parse::<usize>() {
                Ok(index) => PathStep::Index(index),
                Err(_) => PathStep::Key(step.to_owned()),
            })
            .collect();
        self.0.push(CheckError {
            path,
            fact: fact.into(),
            hint: hint.map(str::to_owned),
        });
    }
}
