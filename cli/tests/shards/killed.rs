//! A merge that was killed in the middle.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{inferbench, said};
use crate::{Shards, indices};

#[test]
fn a_merge_that_was_killed_can_be_done_again_and_nothing_else_is_overwritten() {
    let run = Shards::that_ran(
        "{ request_rate: [400], arrivals: constant, requests: 400 }",
        2,
    );
    let folders = [run.path("shards/0"), run.path("shards/1")];
    let merged = run.path("merged");
    let mut begun = 0;
    for delay_ms in [10, 20, 30, 40, 50, 60, 70, 80] {
        let mut merge = inferbench();
        merge.args(["--quiet", "merge"]).args(&folders);
        merge.arg("-o").arg(&merged);
        merge.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = merge.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        if merged.join("run.json").exists() {
            let report = said(inferbench().arg("report").arg(&merged));
            assert_eq!(report.code, Some(0), "after {delay_ms} ms: {}", report.err);
            fs::remove_dir_all(&merged).unwrap();
        }
        begun += u32::from(merged.exists());
    }
    // Killed at its last moment but one, whatever the machine's speed.
    fs::create_dir_all(merged.join("shards/0")).unwrap();
    fs::write(merged.join("requests.jsonl.1.part"), "{").unwrap();
    let again = run.merge(&folders, &[]);
    assert_eq!(again.code, Some(0), "{begun} were begun: {}", again.err);
    assert_eq!(indices(&merged), (0..400).collect::<Vec<u64>>());
    let verified = said(inferbench().arg("verify").arg(&merged));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    // A run, and a folder with anything else in it, stay.
    let other = run.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    let records = run.path("records");
    fs::create_dir(&records).unwrap();
    fs::write(records.join("requests.jsonl"), "{}").unwrap();
    for taken in [&merged, &other, &records] {
        let mut merge = inferbench();
        merge.args(["--quiet", "merge"]).args(&folders);
        let refused = said(merge.arg("-o").arg(taken));
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains("cannot be made"), "{}", refused.err);
    }
    assert_eq!(fs::read_to_string(other.join("notes.txt")).unwrap(), "mine");
}
