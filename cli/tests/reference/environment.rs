//! Every environment variable that the program reads or sets has a row, and every
//! flag that a launch gets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::common::repository;

/// Names in capitals that are no variable of the environment of a run.
const NO_VARIABLES: [(&str, &str); 10] = [
    ("CARGO_PKG_NAME", "read while compiling"),
    ("CARGO_PKG_VERSION", "read while compiling"),
    ("INFERBENCH_COMMIT", "read while compiling"),
    ("INFERBENCH_PROFILE", "read while compiling"),
    ("INFERBENCH_RUSTC", "read while compiling"),
    ("INFERBENCH_TARGET", "read while compiling"),
    ("OUT_DIR", "read while compiling"),
    ("MODEL_DIR", "an argument's name"),
    ("RUN_FOLDER", "an argument's name"),
    ("PCI_BUS_ID", "a value of CUDA_DEVICE_ORDER"),
];

/// Variables that a test sets for itself alone.
const OF_ONE_TEST: [&str; 2] = ["INFERBENCH_FIXTURE_MISCHIEF", "INFERBENCH_NO_SUCH_KEY"];

/// Source files below a folder of the repository.
pub(super) fn sources(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![repository().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ends = |end: &str| path.extension().is_some_and(|extension| extension == end);
            if path.is_dir() {
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if ends("rs") || ends("py") {
                files.push(path);
            }
        }
    }
    files
}

/// Whether a file is part of what is shipped, and not of its tests.
fn is_shipped(file: &Path) -> bool {
    let path = file.strip_prefix(repository()).unwrap();
    let is_of_tests = |part: &str| {
        [
            "tests",
            "tests.rs",
            "benches",
            "architecture-test",
            "test-support",
        ]
        .contains(&part)
    };
    !path.iter().any(|part| is_of_tests(part.to_str().unwrap()))
}

/// What stands in quotes in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1)
}

fn is_variable(word: &str) -> bool {
    let is_name = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_name && (word.contains('_') || word == "PATH" || word == "HOME")
}

/// A variable of InferBench itself.
fn is_own(word: &str) -> bool {
    let rest = word.strip_prefix("INFERBENCH_");
    is_variable(word) && rest.is_some_and(|rest| !rest.is_empty())
}

/// Variables that a source names outside of its own tests.
fn variables(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let shipped = text.split("#[cfg(test)]").next().unwrap();
    let found = quoted(shipped).filter(|word| is_variable(word));
    found.map(str::to_owned).collect()
}

/// Names in backticks in the first column of a page's tables.
fn first_column(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(repository().join("docs/src/reference").join(name)).unwrap()
}

#[test]
fn every_variable_that_the_program_names_has_a_row_and_every_row_names_one() {
    let shown = first_column(&page("environment.md"));
    let files: Vec<PathBuf> = ["cli", "core", "plugins"]
        .into_iter()
        .flat_map(sources)
        .collect();
    let shipped = files.iter().filter(|file| is_shipped(file));
    let mut named: BTreeSet<String> = shipped.flat_map(|file| variables(file)).collect();
    for (name, why) in NO_VARIABLES {
        assert!(named.remove(name), "{name} ({why}) is named nowhere");
    }
    let missing: Vec<_> = named.difference(&shown).collect();
    assert_eq!(missing, [""; 0], "environment.md lacks these");
    let of_tests = files.iter().filter(|file| !is_shipped(file));
    let texts = of_tests.map(|file| std::fs::read_to_string(file).unwrap());
    for text in texts {
        for name in quoted(&text).filter(|word| is_own(word)) {
            let is_none = NO_VARIABLES.iter().any(|(other, _)| *other == name);
            let is_known = is_none || shown.contains(name) || OF_ONE_TEST.contains(&name);
            assert!(is_known, "environment.md lacks {name} of the tests");
        }
    }
    let everything: Vec<String> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    for name in &shown {
        let is_named = everything.iter().any(|text| text.contains(name.as_str()));
        assert!(
            is_named,
            "environment.md has `{name}`, which no source names"
        );
    }
}

#[test]
fn every_flag_and_variable_that_a_launch_gets_is_on_the_page_of_launches() {
    let page = page("launches.md");
    let mut seen = 0;
    for plugin in super::options::shipped() {
        let file = repository().join(format!("plugins/{plugin}/src/launch.rs"));
        let text = std::fs::read_to_string(file).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for word in quoted(shipped).filter(|word| word.starts_with("--") || is_variable(word)) {
            assert!(
                page.contains(&format!("`{word}")),
                "launches.md lacks {word} of {plugin}"
            );
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} flags are too few to be all");
}

#[test]
fn the_page_of_exit_codes_has_those_of_the_program_and_no_others() {
    let source = std::fs::read_to_string(repository().join("cli/src/exit.rs")).unwrap();
    let codes = source.split("enum Code {").nth(1).unwrap();
    let codes = codes.split('}').next().unwrap();
    let codes = codes.lines().filter_map(|line| line.split_once(" = "));
    let codes: BTreeSet<String> = codes
        .map(|(_, number)| number.trim_end_matches(',').to_owned())
        .collect();
    let page = page("exit-codes.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let shown = rows.filter_map(|row| row.split(' ').next());
    let shown = shown.filter(|code| code.chars().all(|c| c.is_ascii_digit()));
    assert_eq!(shown.map(str::to_owned).collect::<BTreeSet<_>>(), codes);
}
