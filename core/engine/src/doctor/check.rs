//! What a check is, and the lines that it gives.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};

use inferbench_model::doctor::needs::Need;
use inferbench_model::doctor::{Group, Judged, Line};

use crate::plugins::search::SearchPath;

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Where plugins are looked for.
    pub plugins: SearchPath,
    /// Folder that runs would be written into.
    pub output: PathBuf,
    /// Version of InferBench.
    pub version: String,
    /// What the backends of the config need, each with its label; none without one.
    pub needs: Vec<(String, Need)>,
}

/// One thing to look at.
pub(super) struct Check {
    pub(super) group: Group,
    /// Name of its line, unless it gives several.
    pub(super) name: &'static str,
    /// Others would disturb what it measures.
    pub(super) alone: bool,
    pub(super) look: fn(&Ground, &Lines),
}

/// A check that runs beside others.
pub(super) const fn check(group: Group, name: &'static str, look: fn(&Ground, &Lines)) -> Check {
    let alone = false;
    Check {
        group,
        name,
        alone,
        look,
    }
}

/// A check that runs while no other does.
pub(super) const fn alone(group: Group, name: &'static str, look: fn(&Ground, &Lines)) -> Check {
    Check {
        alone: true,
        ..check(group, name, look)
    }
}

/// Takes the lines of one check.
pub(super) struct Lines {
    group: Group,
    name: &'static str,
    to: Sender<Message>,
}

/// What comes from a check.
pub(super) enum Message {
    Line(Box<Line>),
    Ended,
}

impl Lines {
    /// For the lines of `check`, and where they arrive.
    pub(super) fn of_check(check: &Check) -> (Self, Receiver<Message>) {
        let (to, messages) = mpsc::channel();
        let lines = Self {
            group: check.group,
            name: check.name,
            to,
        };
        (lines, messages)
    }

    /// Judges the facts of the check's one line.
    pub(super) fn add(&self, facts: &impl Judged) {
        self.add_named(self.name, facts);
    }

    /// Judges the facts of one of several lines.
    pub(super) fn add_named(&self, name: impl Into<String>, facts: &impl Judged) {
        let line = Line::judge(self.group, name, facts);
        // Nobody listens any more to a check that took too long.
        drop(self.to.send(Message::Line(Box::new(line))));
    }

    /// No more lines come.
    pub(super) fn end(self) {
        drop(self.to.send(Message::Ended));
    }
}
