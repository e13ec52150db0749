//! Run folders that somebody or a broken disk has changed: whatever is in them, `report`
//! and `verify` come to an end, with a result or an error. Nothing panics, hangs or takes
//! memory without end. `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use inferbench::render::{exports, render_html};
use inferbench_engine::derive::derive;
use inferbench_engine::derive::verify::verify;
use proptest::prelude::*;
use proptest::sample::Index;

/// The files of a stored run that the changes are made to.
type Stored = [(&'static str, &'static [u8]); 4];

macro_rules! stored {
    ($folder:literal) => {
        [
            ("run.json", include_bytes!(concat!($folder, "/run.json"))),
            (
                "requests.jsonl",
                include_bytes!(concat!($folder, "/requests.jsonl")),
            ),
            (
                "host.jsonl",
                include_bytes!(concat!($folder, "/host.jsonl")),
            ),
            (
                "server_metrics.jsonl",
                include_bytes!(concat!($folder, "/server_metrics.jsonl")),
            ),
        ]
    };
}

/// Levels that the config lists.
const PLAIN: Stored = stored!("plain");
/// A tuning of two points by their capacity, which a search finds.
const TUNED: Stored = stored!("tuned");
/// A search for the bend of the curve.
const BENT: Stored = stored!("bent");
const ALL: [Stored; 3] = [PLAIN, TUNED, BENT];
/// Longest time for one folder, in a build without optimisation.
const LIMIT: Duration = Duration::from_secs(20);
/// Largest memory of this whole test.
const MOST_KIB: u64 = 1024 * 1024;

/// One change of a file.
#[derive(Debug, Clone)]
enum Change {
    /// The number at this place among all numbers becomes this text.
    Number(Index, &'static str),
    /// A byte becomes another.
    Byte(Index, u8),
    /// So many bytes go.
    Cut(Index, usize),
    /// So many bytes come twice.
    Double(Index, usize),
    /// The file ends here.
    End(Index),
    /// The file is gone.
    Gone,
    /// Another file of the same folder is in its place.
    Swapped(Index),
    /// The file of that name of another run is.
    Foreign(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop::sample::select(vec![
        "0",
        "-1",
        "1",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "9223372036854775808",
        "1e308",
        "-1e308",
        "1e-308",
        "0.5",
        "null",
        "\"x\"",
        "[]",
        "{}",
        "true",
    ]);
    let at = || any::<Index>();
    prop_oneof![
        12 => (at(), number).prop_map(|(at, to)| Change::Number(at, to)),
        4 => (at(), any::<u8>()).prop_map(|(at, to)| Change::Byte(at, to)),
        2 => (at(), 1..400_usize).prop_map(|(at, n)| Change::Cut(at, n)),
        2 => (at(), 1..4000_usize).prop_map(|(at, n)| Change::Double(at, n)),
        1 => at().prop_map(Change::End),
        1 => Just(Change::Gone),
        1 => at().prop_map(Change::Swapped),
        1 => at().prop_map(Change::Foreign),
    ]
}

impl Change {
    /// The changed bytes of the file at this place; `None` if there is no file any more.
    fn of(&self, bytes: &[u8], (stored, place): (&Stored, usize)) -> Option<Vec<u8>> {
        if bytes.is_empty() {
            return Some(Vec::new());
        }
        let part = |at: &Index, n: usize| {
            let from = at.index(bytes.len());
            (from, (from + n).min(bytes.len()))
        };
        Some(match self {
            Self::Number(at, to) => with_number(bytes, at, to),
            Self::Byte(at, to) => {
                let mut changed = bytes.to_vec();
                changed[at.index(bytes.len())] = *to;
                changed
            }
            Self::Cut(at, n) => {
                let (from, to) = part(at, *n);
                [&bytes[..from], &bytes[to..]].concat()
            }
            Self::Double(at, n) => {
                let (from, to) = part(at, *n);
                [&bytes[..to], &bytes[from..]].concat()
            }
            Self::End(at) => bytes[..at.index(bytes.len())].to_vec(),
            Self::Gone => return None,
            Self::Swapped(with) => with.get(stored).1.to_vec(),
            Self::Foreign(run) => run.get(&ALL)[place].1.to_vec(),
        })
    }
}

fn with_number(bytes: &[u8], at: &Index, to: &str) -> Vec<u8> {
    let starts = numbers(bytes);
    if starts.is_empty() {
        return bytes.to_vec();
    }
    with_number_at(bytes, *at.get(&starts), to)
}

/// Where the numbers of a file begin.
fn numbers(bytes: &[u8]) -> Vec<usize> {
    let begins = |at: &usize| {
        let before = at.checked_sub(1).map_or(b' ', |at| bytes[at]);
        bytes[*at].is_ascii_digit() && matches!(before, b' ' | b':' | b',' | b'[')
    };
    (0..bytes.len()).filter(begins).collect()
}

fn with_number_at(bytes: &[u8], from: usize, to: &str) -> Vec<u8> {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let digits = bytes[from..].iter().take_while(|byte| is_digit(byte));
    let end = from + digits.count();
    [&bytes[..from], to.as_bytes(), &bytes[end..]].concat()
}

/// All that `report` and `verify` do with a folder.
fn look_at(folder: &Path) {
    let Ok(derived) = derive(folder) else { return };
    serde_json::to_vec(&derived.report).unwrap();
    serde_json::to_vec(&derived.cells).unwrap();
    for export in exports() {
        // One that cannot be rendered is an error with words.
        drop((export.render)(&derived.report));
    }
    if let Ok(page) = render_html(&derived.report) {
        page.write_to(&mut std::io::sink()).unwrap();
    }
    drop(verify(folder, &derived));
}

/// Largest memory of this process so far, KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

fn put(stored: &Stored, folder: &Path, changes: &[(Index, Change)]) {
    let mut files: Vec<(&str, Option<Vec<u8>>)> = stored
        .iter()
        .map(|(name, bytes)| (*name, Some(bytes.to_vec())))
        .collect();
    for (file, change) in changes {
        let place = file.index(stored.len());
        let bytes = &mut files[place].1;
        let changed = |bytes: Vec<u8>| change.of(&bytes, (stored, place));
        *bytes = bytes.take().and_then(changed);
    }
    for (name, bytes) in files {
        if let Some(bytes) = bytes {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn the_folders_as_they_are_have_reports_and_no_decision_that_does_not_follow() {
    for (stored, cells) in [(PLAIN, 8), (TUNED, 9), (BENT, 5)] {
        let folder = tempfile::tempdir().unwrap();
        put(&stored, folder.path(), &[]);
        let derived = derive(folder.path()).unwrap();
        assert_eq!(derived.cells.cells.len(), cells);
        assert_eq!(decisions_found(folder.path()), 0);
    }
}

/// How many decisions of a search or a tuning do not follow from the figures.
fn decisions_found(folder: &Path) -> u64 {
    let verified = verify(folder, &derive(folder).unwrap()).unwrap();
    let rule = verified.rules.iter().find(|rule| rule.id == "V22");
    rule.unwrap().count
}

#[test]
fn a_search_whose_range_ends_below_its_beginning_is_judged() {
    let text = String::from_utf8(TUNED[0].1.to_vec()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    put(&TUNED, folder.path(), &[]);
    let changed = text.replacen("\"to\": 8.0", "\"from\": 8.0, \"to\": 2.0", 1);
    assert_ne!(changed, text);
    fs::write(folder.path().join("run.json"), changed).unwrap();
    assert_ne!(decisions_found(folder.path()), 0);
}

/// Every number of some files becomes one of these, one after the other.
fn change_each_number(stored: &Stored, files: &[usize], into: &[&str]) {
    for file in files {
        let (name, bytes) = stored[*file];
        for at in numbers(bytes) {
            for to in into {
                let folder = tempfile::tempdir().unwrap();
                put(stored, folder.path(), &[]);
                let changed = with_number_at(bytes, at, to);
                fs::write(folder.path().join(name), changed).unwrap();
                look_at(folder.path());
            }
        }
    }
}

#[test]
#[ignore = "some thousand folders: five minutes"]
fn no_number_of_a_folder_can_be_too_large() {
    let into = ["18446744073709551615", "4294967295"];
    change_each_number(&PLAIN, &[0, 1, 2, 3], &into);
    change_each_number(&TUNED, &[0], &into);
    change_each_number(&BENT, &[0], &into);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_changed_folder_has_a_report_or_an_error(
        stored in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), change()), 1..6)
    ) {
        let folder = tempfile::tempdir().unwrap();
        // The plain one is the smallest.
        let stored = stored.get(&[PLAIN, PLAIN, TUNED, BENT]);
        put(stored, folder.path(), &changes);
        let began = Instant::now();
        look_at(folder.path());
        prop_assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
        prop_assert!(peak_kib() < MOST_KIB, "{} KiB", peak_kib());
    }
}
