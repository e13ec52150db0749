//! Shards of several machines: their times on one clock.

use std::fs;
use std::path::Path;

use crate::Shards;
use crate::common::seal::write_sealed;
use crate::common::{inferbench, json_file, json_lines, said};
use inferbench_model::facts::exchange::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The shard as a machine would have left it whose monotonic clock is five seconds behind,
/// and whose wall clock may be off by `bound_ms`.
fn on_another_machine(shard: &Path, bound_ms: f64) {
    let behind = |value: &mut Value| {
        if let Some(t_ns) = value.as_u64() {
            *value = (t_ns - 5_000_000_000).into();
        }
    };
    let mut records = json_lines(&shard.join("requests.jsonl"));
    for record in &mut records {
        for key in [
            "scheduled",
            "sent",
            "first_output",
            "first_content",
            "last_output",
            "end",
        ] {
            behind(&mut record[format!("{key}_ns")]);
        }
    }
    let lines = records.iter().map(|record| format!("{record}\n"));
    let text: String = lines.collect();
    fs::write(shard.join("requests.jsonl"), &text).unwrap();
    let mut manifest = json_file(&shard.join("run.json"));
    manifest["files"]["requests.jsonl"]["bytes"] = text.len().into();
    let sha256 = hex(&Sha256::digest(text.as_bytes()));
    manifest["files"]["requests.jsonl"]["sha256"] = sha256.into();
    behind(&mut manifest["shard"]["clock"]["monotonic_ns"]);
    manifest["shard"]["clock"]["boot_id"] = "another".into();
    manifest["shard"]["clock"]["bound_ms"] = bound_ms.into();
    for anchor in manifest["anchors"].as_array_mut().unwrap() {
        behind(&mut anchor["monotonic_ns"]);
    }
    for cell in manifest["cells"].as_array_mut().unwrap() {
        behind(&mut cell["start_ns"]);
        behind(&mut cell["end_ns"]);
    }
    write_sealed(&shard.join("run.json"), manifest);
}

#[test]
fn times_of_two_machines_come_on_one_clock_with_its_bound() {
    let run = Shards::that_ran(
        "{ request_rate: [100], arrivals: constant, requests: 40 }",
        2,
    );
    on_another_machine(&run.shard_folder(1), 9.0);
    let first = run.shard_folder(0).join("run.json");
    let mut manifest = json_file(&first);
    manifest["shard"]["clock"]["bound_ms"] = 1.0.into();
    write_sealed(&first, manifest);
    let merged = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    assert!(
        merged.out.contains("clocks at most 10.0 ms apart"),
        "{}",
        merged.out
    );
    let folder = run.path("merged");
    let verified = said(inferbench().arg("verify").arg(&folder));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    // A capture is of one machine: no packet is read.
    let mut held = inferbench();
    let held = said(
        held.arg("verify")
            .arg(&folder)
            .args(["--capture", "any.pcap"]),
    );
    assert_eq!(held.code, Some(2));
    let words = "the run was made by shards on 2 machines, and a capture has the connections";
    assert!(held.err.contains(words), "{}", held.err);
    // 10 of 390 ms are more than a hundredth.
    let cell = &json_file(&folder.join("cells.json"))["cells"][0];
    assert_eq!(cell["trustworthy"], false);
    let breaches = cell["breaches"].as_array().unwrap();
    assert!(
        breaches.contains(&"shard-clocks-apart".into()),
        "{breaches:?}"
    );
    // Records that were changed, or cut short, since are refused, and nothing is left.
    let records = run.shard_folder(1).join("requests.jsonl");
    let as_left = fs::read_to_string(&records).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    fs::write(
        &records,
        as_left.replacen("\"index\":1,", "\"index\":3,", 1),
    )
    .unwrap();
    let changed = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(changed.code, Some(2));
    assert!(changed.err.contains(": it was changed"), "{}", changed.err);
    assert!(!folder.exists());
    fs::write(&records, &as_left).unwrap();
    // A server that was started anew between two shards was not one server.
    let of_shard = |index: u32| run.shard_folder(index).join("run.json");
    let as_told = fs::read_to_string(of_shard(1)).unwrap();
    for (index, at_s) in [(0, 1_733_210_400.0), (1, 1_733_210_460.25)] {
        let mut manifest = json_file(&of_shard(index));
        manifest["stages"][0]["evidence"]["started_unix_s"] = at_s.into();
        write_sealed(&of_shard(index), manifest);
    }
    let other = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(other.code, Some(2));
    let words =
        "the start, s since 1970, of the server of sim differs: 1733210400.00 and 1733210460.25";
    assert!(other.err.contains(words), "{}", other.err);
    // A wall clock that was set by 137 ms while the shard ran counts among what they may be
    // apart: 1 and 9 and 137.
    fs::write(of_shard(1), as_told).unwrap();
    let mut manifest = json_file(&of_shard(1));
    let last = manifest["anchors"]
        .as_array_mut()
        .unwrap()
        .last_mut()
        .unwrap();
    let monotonic_ns = last["monotonic_ns"].as_u64().unwrap();
    last["monotonic_ns"] = (monotonic_ns - 137_000_000).into();
    write_sealed(&of_shard(1), manifest);
    let stepped = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(stepped.code, Some(0), "{}", stepped.err);
    assert!(
        stepped
            .out
            .contains("the wall clock of shard 1 was set by 13"),
        "{}",
        stepped.out
    );
    assert!(stepped.out.contains("clocks at most 14"), "{}", stepped.out);
    // So is any other file of facts, and records that were cut short.
    fs::remove_dir_all(&folder).unwrap();
    let host = run.shard_folder(1).join("host.jsonl");
    fs::write(&host, "changed").unwrap();
    let edited = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(edited.code, Some(2));
    assert!(
        edited
            .err
            .contains("host.jsonl: is missing or was cut short"),
        "{}",
        edited.err
    );
    fs::write(&records, &as_left[..as_left.len() - 10]).unwrap();
    let cut = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(cut.code, Some(2));
    assert!(
        cut.err.contains("it was cut short or changed"),
        "{}",
        cut.err
    );
}

#[test]
fn a_shard_whose_clocks_or_records_are_not_its_own_is_told() {
    let run = Shards::that_ran(
        "{ request_rate: [100], arrivals: constant, requests: 80 }",
        2,
    );
    let folders = [run.shard_folder(0), run.shard_folder(1)];
    let manifest = folders[1].join("run.json");
    let as_left = fs::read_to_string(&manifest).unwrap();
    // A wall clock of next year: every time of the shard would stand a year off.
    let mut changed = json_file(&manifest);
    let wall_ns = &mut changed["shard"]["clock"]["wall_ns"];
    *wall_ns = (wall_ns.as_u64().unwrap() + 365 * 86_400 * 1_000_000_000).into();
    write_sealed(&manifest, changed);
    let refused = run.merge(&folders, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let words = "by this shard's clocks is not within the cell";
    assert!(refused.err.contains(words), "{}", refused.err);
    assert!(!run.path("merged").exists());
    // Nothing measured, of a shard that says it is done.
    let mut changed: Value = serde_json::from_str(&as_left).unwrap();
    changed["cells"] = Value::Array(Vec::new());
    write_sealed(&manifest, changed);
    let refused = run.merge(&folders, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let words = "what was measured differs: sim at 100 requests/s, repeat 1 and fewer";
    assert!(refused.err.contains(words), "{}", refused.err);
    // Records without their last lines, of a shard that says it is done and has no hash.
    let mut changed: Value = serde_json::from_str(&as_left).unwrap();
    changed["files"]
        .as_object_mut()
        .unwrap()
        .remove("requests.jsonl");
    write_sealed(&manifest, changed);
    let records = folders[1].join("requests.jsonl");
    let all = fs::read_to_string(&records).unwrap();
    let kept: Vec<&str> = all.split_inclusive('\n').take(30).collect();
    fs::write(&records, kept.concat()).unwrap();
    let lacking = run.merge(&folders, &[]);
    assert_eq!(lacking.code, Some(2), "{}", lacking.err);
    let words = "run.json does not list it";
    assert!(lacking.err.contains(words), "{}", lacking.err);
}
