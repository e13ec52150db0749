//! `doctor`: checks this machine and prints what it found.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use inferbench_engine::doctor::needs::{needs, try_servers};
use inferbench_engine::doctor::{Ground, examine};
use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::prepare::prepare;
use inferbench_engine::server::supervise::Journal;
use inferbench_model::doctor::needs::Need;
use inferbench_model::doctor::{Diagnosis, Group, Line, Status};

use super::inputs::{load_config, load_plugins, plugin_names};
use super::output::{look, print_json, width};
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use crate::table::{Look, wrapped_at};

/// Widest name of a line, columns; after a longer one the text starts on the next line.
const NAME_WIDTH: usize = 20;
/// Column at which names start: two spaces, the longest status, two spaces.
const NAME_AT: usize = 11;

pub(super) fn doctor(
    config: Option<&Path>,
    folder: PathBuf,
    search: SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    if !output.quiet && std::io::stderr().is_terminal() {
        eprintln!("checking this machine, takes a few seconds");
    }
    let needs = match config {
        Some(config) => needs_of(config, &search, output)?,
        None => Vec::new(),
    };
    let diagnosis = examine(Ground {
        plugins: search,
        output: folder,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        needs,
    });
    if output.json {
        print_json(&diagnosis)?;
    } else {
        let least = match output.quiet {
            true => Status::Warning,
            false => Status::Ok,
        };
        println!("{}", render(&diagnosis, least, (look(), width())));
    }
    Ok(match diagnosis.status {
        Status::Ok | Status::Warning => Code::Done,
        Status::Error => Code::Incomplete,
    })
}

/// What the backends of a config need; an attached server is tried.
fn needs_of(
    config: &Path,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Vec<(String, Need)>, CliError> {
    let loaded = load_config(config)?;
    let host = load_plugins(search, plugin_names(&loaded), output.verbose);
    let prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    let launches = prepared.preview(&loaded).map_err(CliError::Config)?;
    let mut needs = needs(&prepared, &launches);
    try_servers(&mut needs);
    Ok(needs.into_iter().map(|one| (one.label, one.need)).collect())
}

/// Stops servers that crashed runs have left behind, and prints each.
pub(super) fn clean() {
    let Some(journal) = Journal::of_user() else {
        return;
    };
    for leftover in journal.leftovers() {
        let left = journal.stop(&leftover);
        let folder = leftover.folder.display();
        if left.is_empty() {
            eprintln!("stopped: {folder} ({} processes)", leftover.pids.len());
        } else {
            eprintln!("warning: {folder}: processes {left:?} did not exit");
        }
    }
}

/// The lines that are `least` or worse, by group, and the counts.
fn render(diagnosis: &Diagnosis, least: Status, (look, columns): (Look, usize)) -> String {
    let mut lines = Vec::new();
    let widths = diagnosis.lines.iter().map(|l| l.name.chars().count());
    let width = widths.max().unwrap_or(0).min(NAME_WIDTH);
    for group in Group::ALL {
        let shown = diagnosis
            .lines_in(group)
            .filter(|line| line.status >= least);
        let shown: Vec<String> = shown
            .flat_map(|l| shown_line(l, width, (look, columns)))
            .collect();
        if !shown.is_empty() {
            lines.push(styled(group.title(), "1", look));
            lines.extend(shown);
            lines.push(String::new());
        }
    }
    lines.push(diagnosis.summary());
    lines.join("\n")
}

fn shown_line(line: &Line, width: usize, (look, columns): (Look, usize)) -> Vec<String> {
    let text_at = NAME_AT + width + 2;
    let indent = " ".repeat(text_at);
    let room = columns.saturating_sub(text_at);
    let hint = line.hint.iter().map(|hint| format!("hint: {hint}"));
    let texts = std::iter::once(line.text.clone()).chain(hint);
    let mut lines: Vec<String> = texts.flat_map(|text| wrapped_at(room, &text, "")).collect();
    let status = line.status.word();
    let gap = " ".repeat(NAME_AT - 2 - status.len());
    let colour = match line.status {
        Status::Ok => "32",
        Status::Warning => "33",
        Status::Error => "31",
    };
    let head = format!(
        "  {}{gap}{:<width$}",
        styled(status, colour, look),
        line.name
    );
    // A name that is too long has a line of its own.
    if line.name.chars().count() > width {
        lines.insert(0, String::new());
    }
    let rest = lines.split_off(1);
    let first = format!("{head}  {}", lines.concat());
    let rest = rest.into_iter().map(|line| format!("{indent}{line}"));
    std::iter::once(first.trim_end().to_owned())
        .chain(rest)
        .collect()
}

/// The text with an ANSI style (SGR), if the look has styles.
fn styled(text: &str, style: &str, look: Look) -> String {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match look {
        Look::Styled if wanted => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
        Look::Styled | Look::Plain => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::table::WIDTH;

    fn line(name: &str, status: Status, hint: Option<&str>) -> Line {
        Line {
            group: Group::Tools,
            name: name.to_owned(),
            status,
            text: "it is there ".repeat(12).trim().to_owned(),
            hint: hint.map(str::to_owned),
            facts: Value::Null,
        }
    }

    fn diagnosis() -> Diagnosis {
        let lines = vec![
            line("uv", Status::Ok, None),
            line(
                "libinferbench_of_a_long_name.so",
                Status::Warning,
                Some("fix it"),
            ),
        ];
        Diagnosis::new("0.1.0", "now".to_owned(), lines)
    }

    #[test]
    fn lines_are_at_most_as_wide_as_the_terminal() {
        let text = render(&diagnosis(), Status::Ok, (Look::Plain, WIDTH));
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(
            text.contains("\n  ok       uv                    it is there"),
            "{text}"
        );
        assert!(
            text.contains("\n  warning  libinferbench_of_a_long_name.so\n"),
            "{text}"
        );
        assert!(text.ends_with("\n\n1 warning in 2 lines"), "{text}");
    }

    #[test]
    fn quiet_shows_only_warnings_and_errors() {
        let text = render(&diagnosis(), Status::Warning, (Look::Plain, WIDTH));
        assert!(
            !text.contains(" ok ") && text.contains("hint: fix it"),
            "{text}"
        );
    }

    #[test]
    fn only_a_terminal_gets_control_codes() {
        assert!(!render(&diagnosis(), Status::Ok, (Look::Plain, WIDTH)).contains('\u{1b}'));
    }
}
