//! A run whose folder somebody else touches while it goes on: it ends soon, with an error
//! that names what was touched, and leaves no server behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::place::{LONG, Place, ended, records};
use crate::common::said;

/// A request takes 1.3 s, and the cell minutes: that the cell goes on to its end would show.
const AT_MOST: Duration = Duration::from_secs(20);
const GONE: &str = "was deleted or moved while the run wrote to it";
const CHANGED: &str = "was replaced or changed by another program while the run wrote to it";
const UNWRITTEN: &str = "cannot be written";

/// What a run says, of which `touch` does something to its folder.
fn touched(config: &str, name: &str, touch: impl Fn(&Path)) -> (Place, String) {
    let (place, mut child) = Place::in_the_middle(config);
    touch(&place.folder());
    let began = Instant::now();
    let status = ended(&mut child);
    assert!(began.elapsed() < AT_MOST, "{name}: {:?}", began.elapsed());
    assert_eq!(status.code(), Some(2), "{name}: {}", place.said());
    place.assert_nothing_is_left();
    let said = place.said();
    (place, said)
}

#[test]
fn whatever_is_deleted_moved_or_changed_ends_the_run_and_is_named() {
    let delete = |file: &str| {
        let file = file.to_owned();
        move |run: &Path| fs::remove_file(run.join(&file)).unwrap()
    };
    type Touch = Box<dyn Fn(&Path)>;
    let cases: Vec<(&str, &str, Touch)> = vec![
        ("run.json", GONE, Box::new(delete("run.json"))),
        (
            "run.json",
            CHANGED,
            Box::new(|run| fs::write(run.join("run.json"), "{}").unwrap()),
        ),
        (
            "logs",
            GONE,
            Box::new(|run| fs::rename(run.join("logs"), run.join("other")).unwrap()),
        ),
        (
            "logs/a/0/stderr.log",
            GONE,
            Box::new(delete("logs/a/0/stderr.log")),
        ),
        ("host.jsonl", UNWRITTEN, Box::new(delete("host.jsonl"))),
        (
            "requests.jsonl",
            UNWRITTEN,
            Box::new(|run| fs::write(run.join("requests.jsonl"), "").unwrap()),
        ),
    ];
    for (file, words, touch) in cases {
        let (_place, said) = touched(LONG, file, touch);
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        let errors: Vec<&str> = errors.collect();
        assert_eq!(errors.len(), 1, "{said}");
        let wanted = format!("/{file}: {words}");
        assert!(errors[0].ends_with(&wanted), "{file}: {said}");
    }
}

#[test]
fn a_run_folder_that_is_moved_is_named_itself_and_not_a_file_in_it() {
    let (_place, said) = touched(LONG, "the folder", |run| {
        fs::rename(run, run.with_extension("moved")).unwrap();
    });
    let error = said
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    assert!(error.ends_with(&format!("Z: {GONE}")), "{said}");
}

#[test]
fn a_run_whose_manifest_was_deleted_can_be_resumed() {
    let (place, _) = touched(&LONG.replace("1000", "24"), "run.json", |run| {
        fs::remove_file(run.join("run.json")).unwrap();
    });
    let report = said(place.command().arg("report").arg(place.folder()));
    assert_eq!(report.code, Some(0), "{}", report.err);
    let resumed = said(&mut place.resume());
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert_eq!(records(&place.path("results")).len(), 24);
}
