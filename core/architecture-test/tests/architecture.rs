//! The repository keeps to its rooms.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use inferbench_architecture_test::map::CRATES;
use inferbench_architecture_test::repository::{self, Checked};
use inferbench_architecture_test::{circles, crates, page, rooms};

static CHECKED: LazyLock<Vec<Checked>> = LazyLock::new(|| repository::read().unwrap());

fn assert_none(faults: &[String]) {
    let count = faults.len();
    assert!(
        faults.is_empty(),
        "{count} faults:\n{}\n",
        faults.join("\n")
    );
}

fn faults_of_each(find: impl Fn(&Checked) -> Vec<String>) -> Vec<String> {
    CHECKED.iter().flat_map(find).collect()
}

#[test]
fn no_room_imports_one_above_it() {
    assert_none(&faults_of_each(|one| {
        rooms::wrong_imports(&one.folder, &one.imports, one.entry.rooms)
    }));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_none(&faults_of_each(|one| {
        let arrows = one.entry.arrows;
        let mut faults = circles::find(&one.folder, &one.imports, arrows);
        faults.extend(circles::unused_arrows(&one.folder, &one.imports, arrows));
        faults
    }));
}

#[test]
fn crates_depend_on_those_below_them_alone() {
    let packages = crates::read(&repository::root()).unwrap();
    assert_none(&crates::faults(&packages, CRATES));
}

#[test]
fn every_file_stands_in_a_room_of_the_table_and_every_room_has_files() {
    assert_none(&faults_of_each(|one| match one.entry.rooms {
        [] => Vec::new(),
        rooms => rooms::differences(&one.folder, &one.sources, rooms),
    }));
}

#[test]
fn rooms_of_the_table_stand_on_those_before_them() {
    let faults = CRATES
        .iter()
        .flat_map(|entry| rooms::wrong_table(entry.folder, entry.rooms));
    assert_none(&faults.collect::<Vec<_>>());
}

/// With `INFERBENCH_BLESS=1` writes the tables instead.
#[test]
fn architecture_md_shows_the_table() {
    let path = repository::root().join("ARCHITECTURE.md");
    let stored = std::fs::read_to_string(&path).unwrap();
    let mut shown = page::with_table(&stored, "crates", &page::crates(CRATES)).unwrap();
    for entry in CRATES.iter().filter(|entry| !entry.rooms.is_empty()) {
        shown = page::with_table(&shown, entry.folder, &page::rooms(entry.rooms)).unwrap();
    }
    if std::env::var_os("INFERBENCH_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, shown).unwrap();
    } else {
        assert!(
            shown == stored,
            "ARCHITECTURE.md is out of date: run `INFERBENCH_BLESS=1 cargo test -p inferbench-architecture-test` and commit it"
        );
    }
}

#[test]
fn architecture_md_has_a_paragraph_for_every_room() {
    let path = repository::root().join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut faults = Vec::new();
    for entry in CRATES {
        for room in entry.rooms {
            let start = format!("\n- **`{}`**", room.name);
            if !text.contains(&start) {
                faults.push(format!("no paragraph `{}` of {}", room.name, entry.folder));
            }
        }
    }
    assert_none(&faults);
}

/// Words of the picture's `<text>` elements.
fn words_of_the_picture() -> BTreeSet<String> {
    let path = repository::root().join("docs/src/design/rooms.svg");
    let picture = std::fs::read_to_string(path).unwrap();
    let texts = picture.split('>').filter_map(|part| part.split_once("</"));
    let words = texts.flat_map(|(text, _)| text.split_whitespace());
    words
        .map(|word| word.trim_matches(',').to_owned())
        .collect()
}

#[test]
fn the_picture_names_every_crate_and_room() {
    let words = words_of_the_picture();
    let mut faults = Vec::new();
    for entry in CRATES.iter().filter(|entry| !is_for_tests(entry.folder)) {
        let rooms = entry.rooms.iter().map(|room| room.name);
        for name in rooms.chain([entry.folder]) {
            let last = name.strip_prefix("report/").unwrap_or(name);
            if !words.contains(last) {
                faults.push(format!("the picture does not name `{name}`"));
            }
        }
    }
    assert_none(&faults);
}

fn is_for_tests(folder: &str) -> bool {
    folder.contains("test") && folder != "core/testkit"
}

#[test]
fn every_plugin_has_the_same_files() {
    let mut faults = Vec::new();
    for one in CHECKED
        .iter()
        .filter(|one| one.folder.starts_with("plugins/"))
    {
        let folder = repository::root().join(&one.folder);
        for file in [
            "README.md",
            "src/describe.rs",
            "src/launch.rs",
            "src/wire.rs",
        ] {
            if !folder.join(Path::new(file)).is_file() {
                faults.push(format!("{} has no {file}", one.folder));
            }
        }
    }
    assert_none(&faults);
}

/// Paths in backticks and targets of links, those of other sites left out.
fn paths_in(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    let linked = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let folders = ["core/", "cli/", "docs/", "templates/", "benches/"];
    let is_path = |text: &&str| folders.iter().any(|folder| text.starts_with(folder));
    let is_written_by_hand = |text: &&str| !text.starts_with("docs/book");
    quoted
        .chain(linked)
        .map(|text| text.split('#').next().unwrap_or_default())
        .filter(|text| is_path(text) && is_written_by_hand(text))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_path_that_the_pages_for_contributors_name_exists() {
    let mut faults = Vec::new();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        let text = std::fs::read_to_string(repository::root().join(page)).unwrap();
        let paths = paths_in(&text);
        let is_missing = |path: &&String| !repository::root().join(path).exists();
        let missing = paths.iter().filter(is_missing);
        faults.extend(missing.map(|path| format!("{page} names {path}, which is not there")));
    }
    assert_none(&faults);
}
