//! Shards whose facts are not as their runs left them.

use std::fs;

use crate::common::seal::write_sealed;
use crate::common::{inferbench, json_file, said};
use crate::{Shards, indices};

#[test]
fn shards_whose_hashes_were_taken_away_or_lead_elsewhere_are_not_merged() {
    let run = Shards::that_ran(
        "{ request_rate: [100], arrivals: constant, requests: 20 }",
        2,
    );
    let file = run.shard_folder(1).join("run.json");
    let left = json_file(&file);
    let elsewhere = file.with_file_name("../run.json").display().to_string();
    let own = &left["files"]["requests.jsonl"];
    let requests = serde_json::json!({"requests.jsonl": own});
    let mut more = left["files"].clone();
    more[&elsewhere] = own.clone();
    for (what, files, words) in [
        (
            "emptied",
            serde_json::json!({}),
            "has no hashes of the run's files",
        ),
        ("thinned", requests, "run.json does not list it"),
        ("one more, elsewhere", more, "is missing or was cut short"),
    ] {
        let mut changed = left.clone();
        changed["files"] = files;
        fs::write(&file, changed.to_string()).unwrap();
        let both = [run.shard_folder(0), run.shard_folder(1)];
        let merged = run.merge(&both, &[]);
        assert_eq!(merged.code, Some(2), "{what}: {}", merged.err);
        let unsealed = "run.json: is not as the run wrote it at its end";
        assert!(merged.err.contains(unsealed), "{what}: {}", merged.err);
        write_sealed(&file, changed);
        let merged = run.merge(&both, &[]);
        assert_eq!(merged.code, Some(2), "{what}: {}", merged.err);
        assert!(merged.err.contains(words), "{what}: {}", merged.err);
        assert!(!run.path("merged").exists(), "{what}");
    }
    // A file twice is no JSON that says one thing.
    let text = left.to_string();
    fs::write(
        &file,
        text.replacen("\"files\":", "\"files\":{},\"files\":", 1),
    )
    .unwrap();
    let merged = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(merged.code, Some(2), "{}", merged.err);
    assert!(merged.err.contains("run.json"), "{}", merged.err);
}

/// Two shards that have run: the records of the first were changed since, and what the
/// second says of itself.
fn two_changed() -> Shards {
    let run = Shards::that_ran(
        "{ request_rate: [100], arrivals: constant, requests: 40 }",
        2,
    );
    let records = run.shard_folder(0).join("requests.jsonl");
    let text = fs::read_to_string(&records).unwrap();
    let changed = text.replacen("\"output_tokens\":4", "\"output_tokens\":9", 1);
    assert_ne!(changed, text);
    fs::write(&records, changed).unwrap();
    let manifest = run.shard_folder(1).join("run.json");
    let mut text = json_file(&manifest);
    text["host"]["hostname"] = "another".into();
    fs::write(&manifest, text.to_string()).unwrap();
    run
}

#[test]
fn changed_facts_are_merged_only_where_that_is_allowed_and_are_marked() {
    let run = two_changed();
    let both = [run.shard_folder(0), run.shard_folder(1)];
    let refused = run.merge(&both, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let hint = "hint: --allow-changed merges them all the same, into a report that says so";
    assert!(refused.err.contains(hint), "{}", refused.err);
    assert!(!run.path("merged").exists());
    let merged = run.merge(&both, &["--allow-changed"]);
    assert_eq!(merged.code, Some(3), "{}", merged.err);
    for (shard, file) in [(0, "requests.jsonl"), (1, "run.json")] {
        let words = format!("warning: shard {shard} was changed after its run: {file}");
        assert!(merged.err.contains(&words), "{}", merged.err);
    }
    let report = json_file(&run.path("merged/report.json"));
    let first =
        "Facts were changed after the run: shard 0 (requests.jsonl) and shard 1 (run.json).";
    assert_eq!(report["answer"][0], first);
    let codes = report["warnings"].as_array().unwrap();
    assert_eq!(codes[0]["code"], "shards-changed");
    // What was not measured is no better or worse than what was.
    let allowed = ["--allow-changed", "--allow-missing"];
    let alone = run.merge_into("alone", &both[1..], &allowed);
    assert_eq!(alone.code, Some(3), "{}", alone.err);
    let refused = run.compare("merged", "alone", &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.out);
    let words = "merged has shards that were changed after their run (0 and 1)";
    assert!(refused.err.contains(words), "{}", refused.err);
    // Every record is there, the changed one too.
    assert_eq!(indices(&run.path("merged")), (0..40).collect::<Vec<u64>>());
}

#[test]
fn verify_rejects_what_was_merged_of_changed_facts_even_if_it_no_longer_says_so() {
    let run = two_changed();
    let both = [run.shard_folder(0), run.shard_folder(1)];
    let merged = run.merge(&both, &["--allow-changed"]);
    assert_eq!(merged.code, Some(3), "{}", merged.err);
    let folder = run.path("merged");
    let verify = || said(inferbench().args(["--quiet", "verify"]).arg(&folder));
    let rejected = verify();
    assert_eq!(rejected.code, Some(4), "{}", rejected.out);
    for place in ["shard 0: requests.jsonl", "shard 1: run.json"] {
        let words = format!("{place}: it was changed after the run, and merged all the same");
        assert!(rejected.out.contains(&words), "{}", rejected.out);
    }
    // The word of it is taken away, and the hash made right.
    let file = folder.join("run.json");
    let mut manifest = json_file(&file);
    manifest["merged"]
        .as_object_mut()
        .unwrap()
        .remove("changed");
    write_sealed(&file, manifest);
    let rejected = verify();
    assert_eq!(rejected.code, Some(4), "{}", rejected.out);
    let words = "shards/1/run.json: is not as the run wrote it at its end";
    assert!(rejected.out.contains(words), "{}", rejected.out);
    // What is kept of a shard is another's.
    fs::copy(
        folder.join("shards/0/run.json"),
        folder.join("shards/1/run.json"),
    )
    .unwrap();
    let rejected = verify();
    let words = "shards/1/run.json: it is not that of the shard that was merged, or gone";
    assert!(rejected.out.contains(words), "{}", rejected.out);
}
