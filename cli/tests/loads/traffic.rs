//! The worked examples of `examples/traffic`, run as the guide shows them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{inferbench, said};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Runs an example once; gives the run's folder.
fn run(example: &str, output: &Path) -> PathBuf {
    let file = repository().join(format!("examples/traffic/{example}.yaml"));
    let text = fs::read_to_string(file).unwrap();
    let config = output.join("bench.yaml");
    fs::write(&config, text + "repeats: 1\n").unwrap();
    let mut program = inferbench();
    program.current_dir(repository());
    let said = said(program.arg("run").arg(&config).arg("--output").arg(output));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut folders = fs::read_dir(output)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folder = folders.find(|path| path.is_dir()).unwrap();
    assert_accepted(&folder);
    folder
}

fn assert_accepted(folder: &Path) {
    let said = said(inferbench().arg("verify").arg(folder));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

fn json(folder: &Path, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

fn records(folder: &Path) -> Vec<Value> {
    let packed = folder.join("requests.jsonl");
    let text = fs::read_to_string(packed).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lines_of(example: &str) -> Vec<Value> {
    let file = repository().join("examples/traffic").join(example);
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn chat_logs_are_sent_row_by_row() {
    let output = tempfile::tempdir().unwrap();
    let folder = run("chat-logs", output.path());
    let rows = lines_of("chat.jsonl");
    let records = records(&folder);
    assert_eq!(records.len(), 96);
    for record in records {
        let index = record["index"].as_u64().unwrap() as usize;
        let asked = &rows[index % rows.len()]["output_tokens"];
        assert_eq!(&record["asked_output_tokens"], asked);
    }
}

#[test]
fn a_trace_is_sent_at_its_own_times() {
    let output = tempfile::tempdir().unwrap();
    let folder = run("trace", output.path());
    let rows = lines_of("trace.jsonl");
    let first_ms = rows[0]["timestamp"].as_f64().unwrap();
    for speed in [2.0, 4.0] {
        let mut sent: Vec<(u64, f64)> = records(&folder)
            .iter()
            .filter(|record| record["level"]["value"] == speed)
            .map(|record| {
                let at_ns = record["scheduled_ns"].as_f64().unwrap();
                (record["index"].as_u64().unwrap(), at_ns / 1e6)
            })
            .collect();
        sent.sort_by_key(|(index, _)| *index);
        assert_eq!(sent.len(), rows.len());
        let start_ms = sent[0].1;
        for ((_, at_ms), row) in sent.iter().zip(&rows) {
            let planned_ms = (row["timestamp"].as_f64().unwrap() - first_ms) / speed;
            let off_ms = at_ms - start_ms - planned_ms;
            assert!(off_ms.abs() < 0.001, "{off_ms} ms at {row}");
        }
    }
}

#[test]
fn rows_of_one_session_are_turns_of_one_conversation() {
    let output = tempfile::tempdir().unwrap();
    let folder = run("agent", output.path());
    let rows = lines_of("agent.jsonl");
    let mut turns_of: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        *turns_of
            .entry(row["session"].as_str().unwrap())
            .or_default() += 1;
    }
    let turns: Vec<u64> = turns_of.values().copied().collect();
    let mut by_session: BTreeMap<(String, u64), Vec<u64>> = BTreeMap::new();
    for record in records(&folder) {
        let key = (
            record["level"].to_string(),
            record["session"].as_u64().unwrap(),
        );
        by_session
            .entry(key)
            .or_default()
            .push(record["turn"].as_u64().unwrap());
    }
    let mut whole = 0;
    for ((_, session), asked) in by_session {
        let expected = turns[session as usize % turns.len()];
        // In their order, and none twice; the last conversations of a level are cut off.
        assert_eq!(asked, (0..asked.len() as u64).collect::<Vec<_>>());
        assert!(asked.len() as u64 <= expected);
        whole += u64::from(asked.len() as u64 == expected);
    }
    assert!(whole >= 20, "{whole}");
    assert!(
        !json(&folder, "report.json")["turns"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_mixture_has_its_shares_and_figures_of_each_class() {
    let output = tempfile::tempdir().unwrap();
    let folder = run("mixture", output.path());
    let cells = json(&folder, "cells.json");
    for cell in cells["cells"].as_array().unwrap() {
        let of_class = |name: &str| {
            let classes = cell["classes"].as_array().unwrap();
            let class = classes.iter().find(|class| class["class"] == name);
            class.unwrap().clone()
        };
        let ok = |name: &str| of_class(name)["counts"]["ok"].as_u64().unwrap();
        // Rounds of 70 requests with 49, 14 and 7 of them: one whole round, and of the
        // second 50.
        let [chat, summarise, batch] = ["chat", "summarise", "batch"].map(ok);
        assert_eq!(chat + summarise + batch, 120);
        assert!(
            (49..=98).contains(&chat) && (14..=28).contains(&summarise),
            "{cell}"
        );
        let tokens = |name: &str| of_class(name)["metrics"]["output_tokens"]["p50"].clone();
        assert_eq!(
            [tokens("chat"), tokens("summarise"), tokens("batch")],
            [24.0, 48.0, 96.0]
        );
        for name in ["chat", "summarise", "batch"] {
            let attained = of_class(name)["metrics"]["slo_attainment"].as_f64();
            assert!(attained.is_some_and(|share| (0.0..=1.0).contains(&share)));
        }
    }
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("Classes of traffic"));
}

#[test]
fn conversations_and_single_requests_may_be_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let traffic = repository().join("examples/traffic");
    let file = |name: &str| traffic.join(name).display().to_string();
    let text = format!(
        "name: mixed\nmodel: {{ id: m }}\n\
         backends: [{{ plugin: sim, options: {{ endpoint: chat, step_base_us: 1000 }} }}]\n\
         workload:\n  classes:\n\
         \x20   - {{ name: agent, weight: 1, workload: {{ prompts: jsonl, file: {}, turns: 8, output_tokens: 4 }} }}\n\
         \x20   - {{ name: chat, weight: 2, workload: {{ prompts: jsonl, file: {}, force_output: false, output_tokens: 4 }} }}\n\
         load: {{ concurrency: [3], requests: 60 }}\nrepeats: 1\n",
        file("agent.jsonl"),
        file("chat.jsonl")
    );
    let config = folder.path().join("bench.yaml");
    fs::write(&config, text).unwrap();
    let said = said(
        inferbench()
            .arg("run")
            .arg(&config)
            .arg("--output")
            .arg(folder.path()),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut folders = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let run = folders.find(|path| path.is_dir()).unwrap();
    // Each class is the one that the seed gives, by the number of the conversation.
    assert_accepted(&run);
    let turns = |class: &str| -> Vec<u64> {
        let own = records(&run)
            .into_iter()
            .filter(|record| record["class"] == class);
        own.map(|record| record["turn"].as_u64().unwrap()).collect()
    };
    assert!(turns("chat").iter().all(|turn| *turn == 0));
    assert!(turns("agent").contains(&3));
}

#[test]
fn a_log_becomes_a_trace_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("proxy.jsonl");
    let row = |at: &str, text: &str, answer: u32| {
        format!(
            r#"{{"startTime": "{at}", "messages": [{{"role": "user", "content": "{text}"}}], "response": {{"usage": {{"prompt_tokens": 700, "completion_tokens": {answer}}}}}}}"#
        ) + "\n"
    };
    let common = "word ".repeat(410);
    let rows = [
        row("2026-01-31T10:00:02Z", &format!("{common}one"), 5),
        row("2026-01-31T10:00:00Z", &format!("{common}two"), 6),
        row("2026-01-31T10:00:03Z", "secret", 0),
    ];
    fs::write(&log, rows.concat()).unwrap();
    let trace = folder.path().join("trace.jsonl");
    let said = said(
        inferbench()
            .args(["prompts", "--from-log"])
            .arg(&log)
            .arg("-o")
            .arg(&trace),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let written = fs::read_to_string(&trace).unwrap();
    assert_eq!(
        written,
        "{\"timestamp\":0.0,\"input_length\":700,\"output_length\":6,\"hash_ids\":[0,2]}\n\
         {\"timestamp\":2000.0,\"input_length\":700,\"output_length\":5,\"hash_ids\":[0,1]}\n"
    );
    let config = folder.path().join("bench.yaml");
    let text = format!(
        "name: a\nmodel: {{ id: m }}\nbackends: [{{ plugin: sim }}]\n\
         workload: {{ prompts: trace, file: {} }}\nload: {{ arrivals: trace, speed: [1] }}\n",
        trace.display()
    );
    fs::write(&config, text).unwrap();
    let read = crate::common::said(inferbench().arg("prompts").arg(&config));
    assert_eq!(
        (read.code, read.out.lines().count()),
        (Some(0), 2),
        "{}",
        read.err
    );
}

#[test]
fn a_log_that_is_none_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("proxy.jsonl");
    fs::write(&log, "{\"timestamp\": 1}\nGET /v1/models 200\n").unwrap();
    let said = said(inferbench().args(["prompts", "--from-log"]).arg(&log));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("proxy.jsonl:2: is no JSON"),
        "{}",
        said.err
    );
    fs::write(&log, "{\"timestamp\": 1}\n").unwrap();
    let said = crate::common::said(inferbench().args(["prompts", "--from-log"]).arg(&log));
    assert_eq!(said.code, Some(2));
    let all_left_out = "all 1 rows are left out: 1: no count of prompt tokens";
    assert!(said.err.contains(all_left_out), "{}", said.err);
}
