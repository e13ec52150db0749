//! What follows from the plugins: where they are looked for, which are refused,
//! and what each would start.

use serde::Serialize;

use super::tools::{ProgramPath, ToolFacts};
use super::{Judged, Verdict};

/// One folder in which plugins are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Folder {
    pub path: String,
    /// Why it is looked into, in words.
    pub origin: String,
    pub exists: bool,
    /// Libraries named like a plugin.
    pub libraries: usize,
    /// The user named it: on the command line or in a variable.
    pub named: bool,
}

/// All folders in which plugins are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FolderFacts {
    /// In the order of the search.
    pub folders: Vec<Folder>,
}

impl Judged for FolderFacts {
    fn verdict(&self) -> Verdict {
        let used = self.folders.iter().filter(|folder| folder.libraries > 0);
        let used: Vec<String> = used
            .map(|f| {
                let noun = if f.libraries == 1 {
                    "library"
                } else {
                    "libraries"
                };
                format!("{} {noun} in {} ({})", f.libraries, f.path, f.origin)
            })
            .collect();
        let used = match used.is_empty() {
            true => format!("no library in any of {} folders", self.folders.len()),
            false => used.join(", "),
        };
        let missing = self.folders.iter().filter(|f| f.named && !f.exists);
        let missing: Vec<String> = missing
            .map(|f| format!("{} ({})", f.path, f.origin))
            .collect();
        match missing.is_empty() {
            true => Verdict::ok(used),
            false => Verdict::warning(
                format!("{used}; not there: {}", missing.join(", ")),
                "fix the folder's name, or remove it",
            ),
        }
    }
}

/// A library that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub file: String,
    /// Where it was found, in words.
    pub origin: String,
    /// Why, in words.
    pub reason: String,
}

impl Judged for Refused {
    fn verdict(&self) -> Verdict {
        Verdict::warning(
            format!("refused: {}", self.reason),
            format!("fix or remove {}", self.file),
        )
    }
}

/// A Python package that a backend imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name, as it is imported.
    pub name: String,
    /// It was found.
    pub found: bool,
    /// Its version, if it has one.
    pub version: Option<String>,
}

/// What a backend would start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "starts")]
pub enum Starts {
    /// Nothing: it generates inside InferBench.
    InProcess,
    /// Nothing without options: it measures servers that run.
    Nothing,
    /// It depends on its options.
    Unknown {
        /// The plugin's error.
        reason: String,
    },
    /// A program.
    Program {
        /// The command line, without options, for a model `MODEL`.
        command: String,
        /// How the command begins, short enough to be shown.
        shown: String,
        /// Name of the Python package that it comes from, if it is known: the
        /// backend's `version` can then start it too.
        package: Option<String>,
        program: ToolFacts,
        /// Python packages that the command imports; `None` if it is not Python
        /// or did not answer.
        packages: Option<Vec<Package>>,
    },
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendFacts {
    /// Version of the plugin.
    pub version: String,
    /// It measures nothing real.
    pub simulated: bool,
    /// It can measure a server that runs already.
    pub can_attach: bool,
    /// What it would start.
    pub starts: Starts,
}

impl BackendFacts {
    /// Whether it would start something that is there.
    #[must_use]
    pub fn starts_here(&self) -> bool {
        match &self.starts {
            Starts::InProcess => true,
            Starts::Nothing | Starts::Unknown { .. } => false,
            Starts::Program {
                program, packages, ..
            } => program.is_there() && packages.iter().flatten().all(|package| package.found),
        }
    }
}

/// What to do about a backend whose start is unknown.
const SEE_OPTIONS: &str = "see inferbench plugins show for its options";

impl Judged for BackendFacts {
    fn verdict(&self) -> Verdict {
        match &self.starts {
            Starts::InProcess => Verdict::ok("generates inside InferBench"),
            Starts::Nothing if self.can_attach => Verdict::ok(
                "starts nothing by itself: give `attach`, or a `command` in its options",
            ),
            Starts::Nothing => {
                Verdict::warning("starts nothing and attaches to nothing", SEE_OPTIONS)
            }
            Starts::Unknown { reason } => {
                Verdict::warning(format!("what it starts is unknown: {reason}"), SEE_OPTIONS)
            }
            Starts::Program {
                shown,
                package,
                program,
                packages,
                ..
            } => program_verdict(shown, package.as_deref(), program, packages.as_deref()),
        }
    }
}

fn program_verdict(
    shown: &str,
    package: Option<&str>,
    program: &ToolFacts,
    packages: Option<&[Package]>,
) -> Verdict {
    let name = &program.program;
    match program.trouble() {
        Some(_) if program.place == ProgramPath::Nowhere => {
            return Verdict::warning(
                format!("`{shown}`: no `{name}` on the PATH"),
                install(package.unwrap_or("it"), package.is_some()),
            );
        }
        Some(trouble) if packages.is_none() => {
            return Verdict::warning(
                format!("`{shown}`: {name} {trouble}"),
                format!("run {name} --version"),
            );
        }
        _ => {}
    }
    let packages = packages.unwrap_or_default();
    let missing = packages.iter().filter(|package| !package.found);
    let missing: Vec<&str> = missing.map(|package| package.name.as_str()).collect();
    let words = format!("`{shown}`: {name} {}", program.words());
    if !missing.is_empty() {
        return Verdict::warning(
            format!("{words} lacks {}", missing.join(", ")),
            install(&missing.join(" and "), package.is_some()),
        );
    }
    let versions = packages.iter().map(|package| match &package.version {
        Some(version) => format!(", {} {version}", package.name),
        None => format!(", {}", package.name),
    });
    Verdict::ok(words + &versions.collect::<String>())
}

/// What can be done about something that is missing.
fn install(what: &str, has_package: bool) -> String {
    match has_package {
        true => format!(
            "install {what}, or set the backend's `version`, `container` or `options.command`"
        ),
        false => format!("install {what}, or set the backend's `options.command`"),
    }
}

/// What can be measured at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Measurable {
    /// Backends that would start something that is there.
    pub start: Vec<String>,
    /// Backends that can measure a server that runs already.
    pub attach: Vec<String>,
}

impl Judged for Measurable {
    fn verdict(&self) -> Verdict {
        if self.start.is_empty() && self.attach.is_empty() {
            return Verdict::error(
                "nothing: no plugin is loaded that can start or attach to a server here",
                "put plugins beside inferbench into plugins/, or name their folder with --plugin-dir",
            );
        }
        let listed = |names: &[String]| match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        Verdict::ok(format!(
            "can be started: {}; can be attached to: {}",
            listed(&self.start),
            listed(&self.attach)
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::super::Status;
    use super::super::tools::Answer;
    use super::*;

    fn python(place: ProgramPath, answer: Answer, packages: Option<Vec<Package>>) -> BackendFacts {
        BackendFacts {
            version: "0.1.0".to_owned(),
            simulated: false,
            can_attach: true,
            starts: Starts::Program {
                command: "python3 -m engine.serve --model MODEL".to_owned(),
                shown: "python3 -m engine.serve".to_owned(),
                package: Some("engine".to_owned()),
                program: ToolFacts::new("python3", place, answer),
                packages,
            },
        }
    }

    fn at() -> ProgramPath {
        ProgramPath::At {
            path: "/bin/python3".to_owned(),
        }
    }

    fn answered() -> Answer {
        Answer::Ended {
            success: true,
            line: "Python 3.12.1".to_owned(),
        }
    }

    fn package(name: &str, version: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            found: version.is_some(),
            version: version.map(str::to_owned),
        }
    }

    #[test]
    fn a_missing_program_is_a_warning_that_names_it() {
        let facts = python(ProgramPath::Nowhere, Answer::NotAsked, None);
        let verdict = facts.verdict();
        assert_eq!(verdict.status, Status::Warning);
        assert_eq!(
            verdict.text,
            "`python3 -m engine.serve`: no `python3` on the PATH"
        );
        assert!(!facts.starts_here());
    }

    #[test]
    fn a_missing_package_is_a_warning_and_nothing_that_starts() {
        let packages = vec![package("torch", Some("2.9.0")), package("engine", None)];
        let facts = python(at(), answered(), Some(packages));
        assert_eq!(facts.verdict().status, Status::Warning);
        assert_eq!(
            facts.verdict().text,
            "`python3 -m engine.serve`: python3 3.12.1 (/bin/python3) lacks engine"
        );
        assert_eq!(
            facts.verdict().hint.unwrap(),
            "install engine, or set the backend's `version`, `container` or `options.command`"
        );
        assert!(!facts.starts_here());
    }

    #[test]
    fn versions_of_program_and_packages_are_shown() {
        let facts = python(at(), answered(), Some(vec![package("engine", Some("0.5"))]));
        assert_eq!(
            facts.verdict(),
            Verdict::ok("`python3 -m engine.serve`: python3 3.12.1 (/bin/python3), engine 0.5")
        );
        assert!(facts.starts_here());
    }

    #[test]
    fn a_program_that_hangs_is_a_warning_and_is_there_all_the_same() {
        let facts = python(at(), Answer::TimedOut { after_s: 20 }, None);
        assert_eq!(facts.verdict().status, Status::Warning);
        assert!(facts.starts_here());
    }

    #[test]
    fn an_error_is_only_that_nothing_can_be_measured() {
        assert_eq!(Measurable::default().verdict().status, Status::Error);
        let attach = Measurable {
            attach: vec!["openai".to_owned()],
            ..Measurable::default()
        };
        assert_eq!(
            attach.verdict(),
            Verdict::ok("can be started: none; can be attached to: openai")
        );
    }

    #[test]
    fn a_folder_that_the_user_named_must_exist_and_a_usual_one_need_not() {
        let folder = |named, exists, libraries| Folder {
            path: "/p".to_owned(),
            origin: "--plugin-dir".to_owned(),
            exists,
            libraries,
            named,
        };
        let verdict = |folders| FolderFacts { folders }.verdict();
        assert_eq!(
            verdict(vec![folder(false, false, 0), folder(false, true, 1)]),
            Verdict::ok("1 library in /p (--plugin-dir)")
        );
        let missing = verdict(vec![folder(true, false, 0)]);
        assert_eq!(missing.status, Status::Warning);
        assert_eq!(
            missing.text,
            "no library in any of 1 folders; not there: /p (--plugin-dir)"
        );
    }

    #[test]
    fn a_refused_library_is_a_warning_with_its_reason() {
        let refused = Refused {
            file: "/p/liba.so".to_owned(),
            origin: "--plugin".to_owned(),
            reason: "is no ELF file".to_owned(),
        };
        let verdict = refused.verdict();
        assert_eq!(verdict.status, Status::Warning);
        assert_eq!(verdict.text, "refused: is no ELF file");
    }
}
