//! Shards that are missing or did not come to their end.

use std::fs;
use std::process::{Child, Stdio};

use crate::common::json_file;
use crate::{Shards, indices};

#[test]
fn a_shard_that_is_killed_leaves_valid_records_and_is_named() {
    let run = Shards::new("{ request_rate: [50], requests: 1000 }");
    let mut running: Vec<Child> = (0..2)
        .map(|index| {
            let mut command = run.command(index, 2);
            command.arg("--rendezvous").arg(run.path("meet"));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let has_records = || {
        let runs = fs::read_dir(run.path("shards/1"))
            .into_iter()
            .flatten()
            .flatten();
        let mut files = runs.map(|entry| entry.path().join("requests.jsonl"));
        files.any(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
    };
    while !has_records() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    running[1].kill().unwrap();
    running[1].wait().unwrap();
    // The other one is not disturbed; it is stopped here only to save time.
    let pid = nix::unistd::Pid::from_raw(running[0].id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(running[0].wait().unwrap().code(), Some(130));
    assert!(!indices(&run.shard_folder(1)).is_empty());
    let merged = run.merge(
        &[run.shard_folder(0), run.shard_folder(1)],
        &["--allow-missing"],
    );
    assert_eq!(merged.code, Some(3));
    assert!(
        merged.err.contains("shard 0: it was interrupted"),
        "{}",
        merged.err
    );
    assert!(
        merged
            .err
            .contains("shard 1: its end was not written: it was killed, or goes on"),
        "{}",
        merged.err
    );
}

#[test]
fn lost_shards_are_named_and_a_partial_report_has_no_verdict() {
    let run = Shards::that_ran("{ request_rate: [100], requests: 40 }", 2);
    let one = [run.shard_folder(0)];
    let refused = run.merge(&one, &[]);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    assert!(
        refused.err.contains("shard 1: there is no folder of it"),
        "{}",
        refused.err
    );
    assert!(!run.path("merged").exists());
    let twice = run.merge(&[run.shard_folder(0), run.shard_folder(0)], &[]);
    assert_eq!(twice.code, Some(2));
    assert!(twice.err.contains("both are shard 0 of 2"), "{}", twice.err);
    let partial = run.merge(&one, &["--allow-missing"]);
    assert_eq!(partial.code, Some(3), "{}", partial.err);
    assert!(
        partial.out.contains("Partial 1 of 2 shards."),
        "{}",
        partial.out
    );
    let report = json_file(&run.path("merged/report.json"));
    assert_eq!(report["partial"]["merged"], 1);
    // It made half of the load, so a whole run is not better or worse than it.
    let both = [run.shard_folder(0), run.shard_folder(1)];
    assert_eq!(run.merge_into("whole", &both, &[]).code, Some(0));
    let words = "merged was made by 1 of 2 shards";
    for (a, b) in [("whole", "merged"), ("merged", "whole")] {
        let refused = run.compare(a, b, &[]);
        assert_eq!(refused.code, Some(2), "{}", refused.out);
        assert!(refused.err.contains(words), "{}", refused.err);
        assert!(refused.err.contains("--force"), "{}", refused.err);
    }
    let forced = run.compare("whole", "merged", &["--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert!(forced.out.contains(words), "{}", forced.out);
}
