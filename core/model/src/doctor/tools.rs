//! Verdicts on programs: whether one is there, and what it reports as its
//! version.

use serde::Serialize;

use super::{Judged, Status, Verdict};

/// Longest part of a program's output that is shown, letters.
const SHOWN_LETTERS: usize = 60;

/// Where a program was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "found")]
pub enum ProgramPath {
    Nowhere,
    /// There, but it cannot be run.
    NotExecutable {
        path: String,
    },
    At {
        path: String,
    },
}

/// What a program answered when it was asked for its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answered")]
pub enum Answer {
    NotAsked,
    /// It could not be started.
    NotStarted {
        /// The system's error.
        reason: String,
    },
    /// It had not ended in time and was killed.
    TimedOut {
        /// How long it was waited for, s.
        after_s: u64,
    },
    Ended {
        /// It ended with status 0.
        success: bool,
        /// Its first line that is not empty: of standard output, else of
        /// standard error; without control characters.
        line: String,
    },
}

/// A program and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolFacts {
    /// Its name, or its path.
    pub program: String,
    /// Where it is.
    #[serde(flatten)]
    pub place: ProgramPath,
    /// Its answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// The version in its answer.
    pub version: Option<String>,
}

impl ToolFacts {
    #[must_use]
    pub fn new(program: &str, place: ProgramPath, answer: Answer) -> Self {
        let version = match &answer {
            Answer::Ended {
                success: true,
                line,
            } => version_in(line),
            _ => None,
        };
        Self {
            program: program.to_owned(),
            place,
            answer,
            version,
        }
    }

    /// Whether it is there and can be run.
    #[must_use]
    pub fn is_there(&self) -> bool {
        matches!(self.place, ProgramPath::At { .. })
    }

    /// Why it cannot be used, or may not be usable; `None` if it reported a version.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match &self.place {
            ProgramPath::Nowhere => return Some("is not there".to_owned()),
            ProgramPath::NotExecutable { path } => {
                return Some(format!("{path} cannot be run: no execute permission"));
            }
            ProgramPath::At { .. } => {}
        }
        match &self.answer {
            _ if self.version.is_some() => None,
            Answer::NotAsked => None,
            Answer::NotStarted { reason } => Some(format!("cannot be started: {reason}")),
            Answer::TimedOut { after_s } => Some(format!(
                "reported no version within {after_s} s and was stopped"
            )),
            Answer::Ended { success, line } if line.is_empty() => Some(match success {
                true => "reported no version: its output was empty".to_owned(),
                false => "failed when asked for its version, without output".to_owned(),
            }),
            Answer::Ended { success, line } => Some(match success {
                true => format!("reported no version, but: {}", shortened(line)),
                false => format!("failed when asked for its version: {}", shortened(line)),
            }),
        }
    }

    /// Version and place: `0.9.5 (/usr/bin/uv)`.
    #[must_use]
    pub fn words(&self) -> String {
        let place = match &self.place {
            ProgramPath::Nowhere => return "not there".to_owned(),
            ProgramPath::NotExecutable { path } | ProgramPath::At { path } => path,
        };
        match &self.version {
            Some(version) => format!("{version} ({place})"),
            None => place.clone(),
        }
    }
}

/// The first word that begins with a number and a dot: `0.9.5` of
/// `uv 0.9.5 (2025-10-21)`, `28.1.1` of `Docker version 28.1.1, build 4eba377`.
#[must_use]
pub fn version_in(line: &str) -> Option<String> {
    let words = line.split([' ', ',', '\t', '(', ')', ';', '=']);
    let mut trimmed = words.map(|word| word.strip_prefix(['v', 'V']).unwrap_or(word));
    let version = trimmed.find(|word| {
        let number: String = word.chars().take_while(char::is_ascii_digit).collect();
        let rest = &word[number.len()..];
        let mut after = rest.chars();
        !number.is_empty()
            && after.next() == Some('.')
            && after.next().is_some_and(|c| c.is_ascii_digit())
    })?;
    Some(shortened(version))
}

/// At most [`SHOWN_LETTERS`] letters of a text.
fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN_LETTERS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(SHOWN_LETTERS - 1).collect();
    short.push('…');
    short
}

/// A program that is good to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    #[serde(flatten)]
    pub facts: ToolFacts,
    /// What it is for.
    pub purpose: &'static str,
    /// What its absence is.
    pub absence: Status,
}

impl Judged for Tool {
    fn verdict(&self) -> Verdict {
        let purpose = self.purpose;
        match self.facts.trouble() {
            None => Verdict::ok(self.facts.words()),
            Some(_) if !self.facts.is_there() && self.absence == Status::Ok => {
                Verdict::ok(format!("{}; it is for {purpose}", self.facts.words()))
            }
            Some(trouble) => Verdict::warning(
                trouble,
                format!("install {} for {purpose}", self.facts.program),
            ),
        }
    }
}

/// What runs containers: one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerTools {
    /// Docker's client.
    pub docker: ToolFacts,
    /// What Docker's daemon answered through it.
    pub docker_daemon: Answer,
    pub podman: ToolFacts,
}

impl Judged for ContainerTools {
    fn verdict(&self) -> Verdict {
        let daemon = match &self.docker_daemon {
            Answer::Ended { success: true, .. } => None,
            Answer::Ended { line, .. } => Some(format!(", its daemon: {}", shortened(line))),
            Answer::TimedOut { after_s } => {
                Some(format!(", its daemon gave no answer within {after_s} s"))
            }
            Answer::NotStarted { reason } => Some(format!(", its daemon: {reason}")),
            Answer::NotAsked => Some(String::new()),
        };
        let state = |facts: &ToolFacts| match facts.trouble() {
            None => facts.words(),
            Some(trouble) => trouble,
        };
        let text = format!(
            "docker: {}{}; podman: {}",
            state(&self.docker),
            daemon.as_deref().unwrap_or_default(),
            state(&self.podman),
        );
        let docker = self.docker.trouble().is_none() && daemon.is_none();
        if docker || self.podman.trouble().is_none() {
            return Verdict::ok(text);
        }
        Verdict::warning(
            text,
            match self.docker.is_there() {
                true => {
                    "start Docker's daemon and join the docker group, or install podman, for backends in a `container`"
                }
                false => "install docker or podman for backends in a `container`",
            },
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn facts(place: ProgramPath, answer: Answer) -> ToolFacts {
        ToolFacts::new("uv", place, answer)
    }

    fn at() -> ProgramPath {
        ProgramPath::At {
            path: "/bin/uv".to_owned(),
        }
    }

    fn ended(success: bool, line: &str) -> Answer {
        Answer::Ended {
            success,
            line: line.to_owned(),
        }
    }

    fn tool(facts: ToolFacts) -> Tool {
        Tool {
            facts,
            purpose: "a `version`",
            absence: Status::Warning,
        }
    }

    #[test]
    fn versions_are_found_in_what_real_programs_say() {
        let said = [
            ("uv 0.9.5 (d5f39331a 2025-10-21)", Some("0.9.5")),
            ("Docker version 28.1.1, build 4eba377", Some("28.1.1")),
            ("podman version 4.9.3", Some("4.9.3")),
            ("Python 3.12.11", Some("3.12.11")),
            ("INFO 0.11.0rc2+cu129", Some("0.11.0rc2+cu129")),
            ("v2.1", Some("2.1")),
            (
                "Cuda compilation tools, release 12.8, V12.8.93",
                Some("12.8"),
            ),
            ("usage: x [-h] [--port 8000]", None),
            ("12", None),
            ("", None),
        ];
        for (line, version) in said {
            assert_eq!(version_in(line).as_deref(), version, "{line}");
        }
    }

    #[test]
    fn a_tool_that_reports_its_version_is_ok() {
        let verdict = tool(facts(at(), ended(true, "uv 0.9.5"))).verdict();
        assert_eq!(verdict, Verdict::ok("0.9.5 (/bin/uv)"));
    }

    #[test]
    fn a_version_in_an_error_text_is_none() {
        let facts = facts(at(), ended(false, "GLIBC_2.38 not found"));
        assert_eq!(facts.version, None);
        let trouble = facts.trouble().unwrap();
        assert_eq!(
            trouble,
            "failed when asked for its version: GLIBC_2.38 not found"
        );
    }

    #[test]
    fn each_kind_of_trouble_is_a_warning_that_says_what_it_is() {
        let not_executable = ProgramPath::NotExecutable {
            path: "/bin/uv".to_owned(),
        };
        let cases = [
            (
                facts(ProgramPath::Nowhere, Answer::NotAsked),
                "is not there",
            ),
            (
                facts(not_executable, Answer::NotAsked),
                "/bin/uv cannot be run: no execute permission",
            ),
            (
                facts(at(), Answer::TimedOut { after_s: 5 }),
                "reported no version within 5 s and was stopped",
            ),
            (
                facts(at(), ended(true, "hello")),
                "reported no version, but: hello",
            ),
            (
                facts(at(), ended(true, "")),
                "reported no version: its output was empty",
            ),
        ];
        for (facts, words) in cases {
            let verdict = tool(facts).verdict();
            assert_eq!(verdict.status, Status::Warning);
            assert_eq!(verdict.text, words);
            assert_eq!(verdict.hint.unwrap(), "install uv for a `version`");
        }
    }

    #[test]
    fn a_tool_that_may_be_absent_is_ok_when_absent_and_not_when_broken() {
        let optional = |facts| Tool {
            absence: Status::Ok,
            ..tool(facts)
        };
        let absent = optional(facts(ProgramPath::Nowhere, Answer::NotAsked)).verdict();
        assert_eq!(absent.status, Status::Ok);
        assert_eq!(absent.text, "not there; it is for a `version`");
        let hangs = optional(facts(at(), Answer::TimedOut { after_s: 5 })).verdict();
        assert_eq!(hangs.status, Status::Warning);
    }

    #[test]
    fn a_long_line_is_cut() {
        let verdict = tool(facts(at(), ended(true, &"é".repeat(500)))).verdict();
        assert!(verdict.text.chars().count() < 100);
        assert!(verdict.text.ends_with('…'));
    }

    #[test]
    fn one_container_tool_is_enough() {
        let absent = || ToolFacts::new("x", ProgramPath::Nowhere, Answer::NotAsked);
        let there = || ToolFacts::new("x", at(), ended(true, "x 1.2"));
        let both = |docker, docker_daemon, podman| ContainerTools {
            docker,
            docker_daemon,
            podman,
        };
        let ok = [
            both(there(), ended(true, "28.1"), absent()),
            both(absent(), Answer::NotAsked, there()),
            both(there(), ended(false, "permission denied"), there()),
        ];
        for tools in ok {
            assert_eq!(tools.verdict().status, Status::Ok, "{tools:?}");
        }
        let denied = both(there(), ended(false, "permission denied"), absent()).verdict();
        assert_eq!(denied.status, Status::Warning);
        assert!(denied.text.contains("its daemon: permission denied"));
        let none = both(absent(), Answer::NotAsked, absent()).verdict();
        assert_eq!(none.status, Status::Warning);
        assert_eq!(none.text, "docker: is not there; podman: is not there");
    }
}
