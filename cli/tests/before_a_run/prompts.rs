//! `prompts`: the sources, and the very requests of a config, which read back to the
//! same ones.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::common::{inferbench, said};
use serde_json::Value;

fn config(folder: &Path, workload: &str, load: &str) -> PathBuf {
    let file = folder.join("bench.yaml");
    let text = format!(
        "name: prompts\nmodel: {{ id: m }}\nbackends: [{{ plugin: sim }}]\n\
         workload: {workload}\nload: {load}\n"
    );
    fs::write(&file, text).unwrap();
    file
}

fn written(config: &Path, arguments: &[&str]) -> String {
    let said = said(inferbench().arg("prompts").arg(config).args(arguments));
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
}

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn without_a_config_the_sources_are_listed() {
    let said = said(inferbench().arg("prompts"));
    for source in ["synthetic", "jsonl", "sharegpt", "trace", "text"] {
        assert!(said.out.contains(source), "{}", said.out);
    }
}

#[test]
fn what_is_written_reads_back_to_the_same_requests() {
    let folder = tempfile::tempdir().unwrap();
    let load = "{ concurrency: [2, 4], requests: 30, warmup_requests: 3 }";
    let synthetic = "{ input_tokens: { uniform: [5, 50] }, output_tokens: { uniform: [1, 9] } }";
    let made = written(&config(folder.path(), synthetic, load), &[]);
    assert_eq!(rows(&made).len(), 33);
    let file = folder.path().join("made.jsonl");
    fs::write(&file, &made).unwrap();
    let listed = format!("{{ prompts: jsonl, file: {} }}", file.display());
    assert_eq!(written(&config(folder.path(), &listed, load), &[]), made);
    // Another level has other words, and a second repeat too.
    let config = config(folder.path(), synthetic, load);
    assert_ne!(written(&config, &["--level", "4"]), made);
    assert_ne!(written(&config, &["--repeat", "2"]), made);
    assert_eq!(rows(&written(&config, &["--limit", "5"])).len(), 5);
}

#[test]
fn an_open_loop_has_the_times_of_its_requests() {
    let folder = tempfile::tempdir().unwrap();
    let load = "{ request_rate: [4], arrivals: constant, requests: 3 }";
    let made = written(&config(folder.path(), "{ input_tokens: 5 }", load), &[]);
    let times: Vec<f64> = rows(&made)
        .iter()
        .map(|row| row["timestamp"].as_f64().unwrap())
        .collect();
    assert_eq!(times, [0.0, 0.25, 0.5]);
}

/// Rows of Mooncake's form; every second begins like the first.
fn trace() -> String {
    let row = |n: u64| {
        let first = if n.is_multiple_of(2) { 0 } else { n };
        format!(
            r#"{{"timestamp": {}, "input_length": 600, "output_length": 3, "hash_ids": [{first}, {}]}}"#,
            n * 1000,
            100 + n
        ) + "\n"
    };
    (0..20).map(row).collect()
}

#[test]
fn a_packed_trace_gives_equal_tokens_for_equal_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.jsonl.gz");
    let packed = fs::File::create(&file).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(trace().as_bytes()).unwrap();
    packed.finish().unwrap();
    let workload = format!("{{ prompts: trace, file: {} }}", file.display());
    let load = "{ concurrency: [2], requests: 25 }";
    let config = config(folder.path(), &workload, load);
    let made = rows(&written(&config, &[]));
    let ids = |row: usize| made[row]["prompt_token_ids"].as_array().unwrap().clone();
    assert_eq!(ids(0).len(), 600);
    assert_eq!(ids(0)[..512], ids(2)[..512]);
    assert_ne!(ids(0)[512..], ids(2)[512..]);
    assert_ne!(ids(0)[..512], ids(1)[..512]);
    // After the last row the first comes again.
    assert_eq!(ids(20), ids(0));
    let shown = said(inferbench().arg("validate").arg(&config));
    let line = "prompts: 20 rows in the file (mooncake, the whole file)";
    assert!(shown.out.contains(line), "{}", shown.out);
}

#[test]
fn a_wrong_row_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let load = "{ concurrency: [2], requests: 25 }";
    let file = folder.path().join("rows.jsonl");
    for (text, error) in [
        (
            "\u{feff}{\"prompt\": [1]}\r\n\r\n{\"promt\": \"b\"}\r\n",
            "rows.jsonl:3: has none of them: `{\"promt\": \"b\"}`, expected an object with `prompt`, `messages` or `conversations`",
        ),
        ("", "rows.jsonl: has no prompt, needs at least one"),
        (
            "{\"prompt\": [1]}\n{\"prompt\": [2",
            "rows.jsonl:2: is no JSON",
        ),
        (
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
            "takes prompts as token_ids, but",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let workload = format!("{{ prompts: jsonl, file: {} }}", file.display());
        let config = config(folder.path(), &workload, load);
        let said = said(inferbench().arg("prompts").arg(&config));
        assert_eq!(said.code, Some(2), "{}", said.out);
        assert!(said.err.contains(error), "{}", said.err);
    }
}
