//! What shards send together, and what their merged run says.

use std::fs;
use std::path::Path;

use crate::common::{inferbench, json_file, json_lines, said};
use crate::{Shards, indices};
use serde_json::Value;

#[test]
fn shards_send_together_what_one_machine_sends_and_merge_into_one_run() {
    let run = Shards::that_ran(
        "{ request_rate: [100], arrivals: constant, requests: 60, warmup_requests: 4 }",
        4,
    );
    let merged = run.merge(
        &[
            run.path("shards/0"),
            run.path("shards/1"),
            run.path("shards/2"),
            run.path("shards/3"),
        ],
        &[],
    );
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    assert!(
        merged.out.contains("shards: 4 of 4, one clock"),
        "{}",
        merged.out
    );
    let folder = run.path("merged");
    assert_eq!(indices(&folder), (0..64).collect::<Vec<u64>>());
    // Ten milliseconds apart, whichever process sent them.
    let mut records = json_lines(&folder.join("requests.jsonl"));
    records.sort_by_key(|record| record["index"].as_u64());
    let at = |index: usize| records[index]["scheduled_ns"].as_u64().unwrap();
    for index in 0..64 {
        assert_eq!(at(index) - at(0), index as u64 * 10_000_000);
    }
    // All but the very first begin as an earlier one of the whole did.
    let repeated = |index: usize| records[index]["repeated_tokens"].as_u64().unwrap();
    assert_eq!(repeated(0), 0);
    assert!((1..64).all(|index| repeated(index) == 8));
    let verified = said(inferbench().arg("verify").arg(&folder));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let starts = &json_file(&folder.join("run.json"))["merged"]["shards"][2]["starts"][0];
    assert!(starts["first_send_late_ms"].as_f64().unwrap() >= 0.0);
    // One process with these records would have left the same figures, bit for bit.
    let plain = run.path("plain");
    fs::create_dir(&plain).unwrap();
    for file in ["requests.jsonl", "host.jsonl"] {
        fs::copy(folder.join(file), plain.join(file)).unwrap();
    }
    let mut manifest = json_file(&folder.join("run.json"));
    manifest.as_object_mut().unwrap().remove("merged");
    fs::write(plain.join("run.json"), manifest.to_string()).unwrap();
    assert_eq!(said(inferbench().arg("report").arg(&plain)).code, Some(0));
    assert_eq!(
        fs::read_to_string(plain.join("cells.json")).unwrap(),
        fs::read_to_string(folder.join("cells.json")).unwrap()
    );
    // Neither it nor a shard can be gone on with by one machine.
    let mut resumed = inferbench();
    let resumed = resumed
        .arg("run")
        .arg(&run.config)
        .arg("--resume")
        .arg(&folder);
    assert!(
        said(resumed)
            .err
            .contains("cannot be resumed: run all shards again")
    );
    // A shard alone is no run.
    let alone = said(inferbench().arg("report").arg(run.shard_folder(1)));
    assert_eq!(alone.code, Some(2));
    assert!(
        alone.err.contains("is shard 1 of 4, a part of a run"),
        "{}",
        alone.err
    );
}

#[test]
fn a_closed_loop_is_shared_out_level_by_level() {
    let run = Shards::that_ran(
        "{ concurrency: [5, 2], requests: 40, warmup_requests: 2 }",
        2,
    );
    let both = [run.shard_folder(0), run.shard_folder(1)];
    let own = |index: usize| {
        let records = json_lines(&both[index].join("requests.jsonl"));
        let of_level = |n: u64| {
            let own = records.iter().filter(|r| r["level"]["value"] == n);
            own.filter(|r| r["phase"] == "measured").count()
        };
        (of_level(5), of_level(2))
    };
    assert_eq!((own(0), own(1)), ((20, 20), (20, 20)));
    let merged = run.merge(&both, &[]);
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    let folder = run.path("merged");
    let verified = said(inferbench().arg("verify").arg(&folder));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let cells = json_file(&folder.join("cells.json"));
    let counts: Vec<&Value> = cells["cells"].as_array().unwrap().iter().collect();
    assert_eq!(counts.len(), 2);
    assert!(counts.iter().all(|cell| cell["counts"]["ok"] == 40));
}

#[test]
fn one_shard_of_one_gives_the_same_report_as_its_records_without_it() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    let done = run.meet(&[0], 1, 60).remove(0);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let merged = run.merge(&[run.shard_folder(0)], &[]);
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    let (shard, folder) = (run.shard_folder(0), run.path("merged"));
    let records = |run: &Path| {
        let mut lines: Vec<String> = fs::read_to_string(run.join("requests.jsonl"))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(records(&shard), records(&folder), "byte for byte");
    // The same facts without a word of shards, as one machine would have left them.
    let mut manifest = json_file(&shard.join("run.json"));
    manifest.as_object_mut().unwrap().remove("shard");
    fs::write(shard.join("run.json"), manifest.to_string()).unwrap();
    fs::copy(folder.join("requests.jsonl"), shard.join("requests.jsonl")).unwrap();
    let plain = said(inferbench().arg("report").arg(&shard));
    assert_eq!(plain.code, Some(0), "{}", plain.err);
    for file in ["cells.json", "report.json"] {
        assert_eq!(json_file(&shard.join(file)), json_file(&folder.join(file)));
    }
}
