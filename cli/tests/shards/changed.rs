//! Shards whose facts are not as their runs left them.

use std::fs;

use crate::Shards;
use crate::common::json_file;
use crate::common::seal::write_sealed;

#[test]
fn shards_whose_hashes_were_taken_away_or_lead_elsewhere_are_not_merged() {
    let run = Shards::new("{ request_rate: [100], arrivals: constant, requests: 20 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
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
