//! Where the answers of backends part, from the servers to the page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{inferbench, json_file, json_lines, run_folder, said};
use serde_json::Value;

/// `late` parts from `a` at token 17 of 32, `other` at the first one.
const CONFIG: &str = "
name: parted
model: { id: simulated }
backends:
  - { label: a, plugin: sim, options: { fixed_ttft_ms: 2, fixed_itl_ms: 1 } }
  - { label: late, plugin: sim, options: { fixed_ttft_ms: 2, fixed_itl_ms: 1, parts_at_token: 17 } }
  - { label: other, plugin: sim, options: { fixed_ttft_ms: 2, fixed_itl_ms: 1, seed: 99 } }
workload: { input_tokens: 16, output_tokens: 32 }
load: { concurrency: [2], requests: 20, warmup_requests: 2 }
repeats: 1
";

fn run_of(output: &Path) -> PathBuf {
    let config = output.join("bench.yaml");
    fs::write(&config, CONFIG).unwrap();
    let results = output.join("results");
    let mut command = inferbench();
    let run = said(command.arg("run").arg(config).arg("--output").arg(&results));
    assert_eq!(run.code, Some(0), "{}", run.err);
    run_folder(&results)
}

fn place(parting: &Value, name: &str) -> u64 {
    parting[name].as_u64().unwrap()
}

#[test]
fn a_run_records_where_answers_part_and_one_without_marks_still_reads() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path());
    let found = json_file(&run.join("report.json"));
    parts_late(&found["fairness"]["agreement"][0]);
    parts_at_the_start(&found);
    let words = &found["fairness"]["agreement"][0]["parting"]["words"];
    let words = words.as_str().unwrap();
    for file in ["report.html", "summary.md"] {
        let text = fs::read_to_string(run.join(file)).unwrap();
        assert!(text.contains(words), "{file}: no {words}");
    }

    let records = json_lines(&run.join("requests.jsonl"));
    let is_marked = |record: &&Value| record.get("text_marks").is_some();
    let marked: Vec<&Value> = records.iter().filter(is_marked).collect();
    assert_eq!(marked.len(), 60);
    assert!(marked.iter().all(|record| record["phase"] == "measured"));
    assert!(records.iter().all(|record| record.get("text").is_none()));
    let verified = said(inferbench().arg("verify").arg(&run));
    assert_eq!(verified.code, Some(0), "{}", verified.out);

    without_marks(&run, records);
    let before = json_file(&run.join("report.json"));
    assert_eq!(before["fairness"]["agreement"][0]["compared"], 20);
    assert!(before["fairness"]["agreement"][0].get("parting").is_none());
}

/// A simulated token is a space, a `w` and up to five digits: 17 begins about
/// character 110, where marks are 8 apart, which is little more than a token.
fn parts_late(late: &Value) {
    assert_eq!((&late["a"], &late["b"]), (&"a".into(), &"late".into()));
    assert_eq!(
        (&late["compared"], &late["identical"]),
        (&20.into(), &0.into())
    );
    let parting = &late["parting"];
    assert_eq!(
        (place(parting, "placed"), place(parting, "of_tokens")),
        (20, 32)
    );
    assert!(
        (16..=18).contains(&place(parting, "median_token")),
        "{parting}"
    );
    assert!(place(parting, "earliest_token") >= 15, "{parting}");
    assert_eq!(parting["mostly_at_start"], false);
}

fn parts_at_the_start(found: &Value) {
    let other = &found["fairness"]["agreement"][1]["parting"];
    assert!(place(other, "median_token") <= 2, "{other}");
    assert_eq!(other["mostly_at_start"], true);
    let warnings = found["warnings"].to_string();
    let pairs = "rounding does: a and other (20 of 20), late and other (20 of 20); look";
    assert!(warnings.contains(pairs), "{warnings}");
}

/// The run as it was before records had marks, derived again.
fn without_marks(run: &Path, records: Vec<Value>) {
    let lines = records.into_iter().map(|mut record| {
        let fields = record.as_object_mut().unwrap();
        fields.shift_remove("text_marks");
        fields.shift_remove("text_chars");
        format!("{record}\n")
    });
    fs::write(run.join("requests.jsonl"), lines.collect::<String>()).unwrap();
    let again = said(inferbench().arg("report").arg(run));
    assert_eq!(again.code, Some(0), "{}", again.err);
}
