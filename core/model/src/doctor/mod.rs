//! What `doctor` reports about a machine: facts in, one line each with a verdict
//! out. The engine finds the facts.
//!
//! A new line is a type of facts with a verdict ([`Judged`]), in the file of its
//! group; a row of the engine's table of checks collects it.

pub mod clocks;
pub mod gpu;
pub mod leftovers;
pub mod limits;
pub mod machine;
pub mod needs;
pub mod plugins;
pub mod tools;

use crate::text::number::counted_parts;
use serde::Serialize;
use serde_json::Value;

/// Version of what `doctor --json` writes.
pub const DOCTOR_SCHEMA_VERSION: u32 = 1;

/// How bad it is, from the least to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Ok,
    /// Runs are possible, but less exact, or not with everything.
    Warning,
    /// A run is not possible.
    Error,
}

impl Status {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What the backends of the config need, if one is given.
    Config,
    /// Devices, driver, NVML, CUDA.
    Gpu,
    /// Programs by which backends are started.
    Tools,
    /// Plugins and what they would start.
    Plugins,
    /// What the system allows this process.
    Limits,
    /// Cores, memory, disk, and how busy they are.
    Machine,
    /// How exact times are.
    Clocks,
    /// What earlier runs have left.
    Leftovers,
}

impl Group {
    /// Every group, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Config,
        Self::Gpu,
        Self::Tools,
        Self::Plugins,
        Self::Limits,
        Self::Machine,
        Self::Clocks,
        Self::Leftovers,
    ];
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::Gpu => "GPU",
            Self::Tools => "Tools",
            Self::Plugins => "Plugins",
            Self::Limits => "Limits",
            Self::Machine => "Machine",
            Self::Clocks => "Clocks",
            Self::Leftovers => "Left behind",
        }
    }
}

/// What follows from facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: Status,
    /// The facts in a line.
    pub text: String,
    /// One thing to do; absent if all is well.
    pub hint: Option<String>,
}

impl Verdict {
    /// All is well.
    #[must_use]
    pub fn ok(text: impl Into<String>) -> Self {
        Self {
            status: Status::Ok,
            text: text.into(),
            hint: None,
        }
    }

    /// Runs are possible, but less exact, or not with everything.
    #[must_use]
    pub fn warning(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: Status::Warning,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    /// A run is not possible.
    #[must_use]
    pub fn error(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: Status::Error,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Facts that have a verdict.
pub trait Judged: Serialize {
    /// What follows from them.
    fn verdict(&self) -> Verdict;
}
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it is about.
    pub group: Group,
    /// Name within its group.
    pub name: String,
    pub status: Status,
    /// The facts in words.
    pub text: String,
    /// One thing to do; absent if all is well.
    pub hint: Option<String>,
    /// The facts as data.
    pub facts: Value,
}

impl Line {
    /// The line of some facts.
    #[must_use]
    pub fn judge(group: Group, name: impl Into<String>, facts: &impl Judged) -> Self {
        let Verdict { status, text, hint } = facts.verdict();
        Self {
            group,
            name: name.into(),
            status,
            text,
            hint,
            // Facts are structs of texts and numbers, which all are JSON.
            facts: serde_json::to_value(facts).unwrap_or_default(),
        }
    }
}

/// What is reported about a check that reported nothing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "probe")]
pub enum Unprobed {
    /// It did not come to an end.
    TimedOut {
        /// How long it was waited for, s.
        after_s: u64,
    },
    /// It panicked.
    Panicked,
}

impl Judged for Unprobed {
    fn verdict(&self) -> Verdict {
        match self {
            Self::TimedOut { after_s } => Verdict::warning(
                format!("no answer within {after_s} s, its lines are missing"),
                "what it looks at hangs: a driver, a network file system or a plugin",
            ),
            Self::Panicked => Verdict::warning(
                "the check panicked, its lines are missing",
                "report this with the text above it",
            ),
        }
    }
}

/// All that `doctor` reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// Version of this form.
    pub schema_version: u32,
    /// Version of InferBench.
    pub inferbench_version: String,
    /// When, UTC, RFC 3339.
    pub utc: String,
    /// The worst of all lines.
    pub status: Status,
    /// Lines that are a warning.
    pub warnings: usize,
    /// Lines that are an error.
    pub errors: usize,
    /// All lines, in the order of their groups.
    pub lines: Vec<Line>,
}

impl Diagnosis {
    /// The whole from its lines, which are put into the order of the groups.
    #[must_use]
    pub fn new(inferbench_version: &str, utc: String, mut lines: Vec<Line>) -> Self {
        lines.sort_by_key(|line| line.group);
        let count = |status| lines.iter().filter(|line| line.status == status).count();
        Self {
            schema_version: DOCTOR_SCHEMA_VERSION,
            inferbench_version: inferbench_version.to_owned(),
            utc,
            status: lines.iter().map(|l| l.status).max().unwrap_or(Status::Ok),
            warnings: count(Status::Warning),
            errors: count(Status::Error),
            lines,
        }
    }

    /// The lines of one group.
    pub fn lines_in(&self, group: Group) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.group == group)
    }

    /// The counts in words: `1 error, 2 warnings`.
    #[must_use]
    pub fn summary(&self) -> String {
        let found = counted_parts(&[(self.errors, "error"), (self.warnings, "warning")]);
        match found.is_empty() {
            true => format!("all {} lines are ok", self.lines.len()),
            false => format!("{found} in {} lines", self.lines.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(group: Group, status: Status) -> Line {
        Line {
            group,
            name: "x".to_owned(),
            status,
            text: String::new(),
            hint: None,
            facts: Value::Null,
        }
    }

    #[test]
    fn the_worst_line_is_the_status_and_groups_keep_their_order() {
        let lines = vec![
            line(Group::Clocks, Status::Ok),
            line(Group::Gpu, Status::Warning),
            line(Group::Limits, Status::Error),
            line(Group::Gpu, Status::Warning),
        ];
        let diagnosis = Diagnosis::new("1", "now".to_owned(), lines);
        let groups: Vec<Group> = diagnosis.lines.iter().map(|l| l.group).collect();
        assert_eq!(
            groups,
            [Group::Gpu, Group::Gpu, Group::Limits, Group::Clocks]
        );
        assert_eq!(diagnosis.status, Status::Error);
        assert_eq!((diagnosis.errors, diagnosis.warnings), (1, 2));
        assert_eq!(diagnosis.summary(), "1 error, 2 warnings in 4 lines");
    }

    #[test]
    fn every_line_ok_is_said_so() {
        let diagnosis = Diagnosis::new(
            "1",
            "now".to_owned(),
            vec![line(Group::Gpu, Status::Ok), line(Group::Tools, Status::Ok)],
        );
        assert_eq!(diagnosis.status, Status::Ok);
        assert_eq!(diagnosis.summary(), "all 2 lines are ok");
    }

    #[test]
    fn a_probe_without_an_answer_is_a_warning_and_no_error() {
        let line = Line::judge(Group::Gpu, "NVML", &Unprobed::TimedOut { after_s: 30 });
        assert_eq!(line.status, Status::Warning);
        assert!(line.text.contains("no answer within 30 s"));
        assert_eq!(line.facts["probe"], "timed_out");
    }
}
