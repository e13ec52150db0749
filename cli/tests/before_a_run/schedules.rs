//! Loads that go over time, as a user sees them: the picture before a run, the levels of
//! a trace in its files, and what is wrong with a trace.

use std::fs;
use std::path::Path;

use crate::common::{inferbench, run_folder, said};
use serde_json::{Value, json};

/// A trace of 40 rows in two seconds: bursts of ten.
fn trace() -> String {
    let rows = (0..40).map(|row| {
        let at_s = f64::from(row / 10) * 0.6 + f64::from(row % 10) * 0.02;
        format!("{{\"prompt_token_ids\": [11, 12], \"output_tokens\": 4, \"timestamp\": {at_s}}}\n")
    });
    rows.collect()
}

/// A config with this load in a folder, whose prompts are the rows of `trace.jsonl`
/// there, if they are to come from a file.
fn config(folder: &Path, load: &str, rows: Option<&str>) -> std::path::PathBuf {
    let workload = rows.map_or_else(
        || "{ input_tokens: 16, output_tokens: 4 }".to_owned(),
        |rows| {
            let file = folder.join("trace.jsonl");
            fs::write(&file, rows).unwrap();
            format!("{{ prompts: jsonl, file: {} }}", file.display())
        },
    );
    let text = format!(
        "name: over-time\nmodel: {{ id: simulated }}\nbackends:\n  - plugin: sim\n    options: {{ fixed_ttft_ms: 5, fixed_itl_ms: 1 }}\nworkload: {workload}\nload: {load}\nrepeats: 1\n"
    );
    let path = folder.join("bench.yaml");
    fs::write(&path, text).unwrap();
    path
}

/// The picture of a load, from its heading on.
fn drawn(load: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), load, None);
    let said = said(
        inferbench()
            .arg("validate")
            .arg(path)
            .arg("--show-schedule"),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines = said.out.lines().map(str::to_owned);
    let is_before = |line: &String| !line.contains("per second:") && !line.contains("begun:");
    lines.skip_while(is_before).collect()
}

#[test]
fn steps_are_drawn_as_high_and_as_long_as_they_are() {
    let steps = "{steps: [{for: 10s, rate: 0.5}, {for: 10s, rate: 0}, {for: 10s, rate: 2}]}";
    let load =
        format!("{{ request_rate: [4], arrivals: constant, duration: 40s, shape: {steps} }}");
    // 20 sends in 10 s, none in 10 s, 8 a second for 20 s.
    let twenty = "█".repeat(20);
    let high = format!("{}{}", " ".repeat(40), "█".repeat(40));
    // A quarter of six lines is a line and a half.
    let low = format!(
        "         |{}{}{}",
        "▄".repeat(20),
        " ".repeat(20),
        "█".repeat(40)
    );
    assert_eq!(
        drawn(&load),
        [
            "4 requests/s, requests sent per second: 180 requests in 40.0 s".to_owned(),
            format!("    8.00 |{high}"),
            format!("         |{high}"),
            format!("         |{high}"),
            format!("         |{high}"),
            low,
            format!("         |{twenty}{}{twenty}{twenty}", " ".repeat(20)),
            format!("       0 +{}", "-".repeat(80)),
            format!("          0 s{}40.0 s", " ".repeat(71)),
        ]
    );
}

#[test]
fn slots_that_begin_one_by_one_are_drawn_as_stairs() {
    let drawn = drawn("{ concurrency: [2], requests: 64, ramp_up: 8s }");
    // Of 10 s in 80 columns the second slot is there from the 32nd on.
    let (both, one) = (" ".repeat(32) + &"█".repeat(48), "█".repeat(80));
    assert_eq!(drawn[0], "concurrency 2, slots that have begun:");
    assert_eq!(drawn[1], format!("    2.00 |{both}"));
    assert_eq!(drawn[3], format!("         |{both}"));
    assert_eq!(drawn[4], format!("         |{one}"));
    assert_eq!(drawn[8], format!("          0 s{}10.0 s", " ".repeat(71)));
}

#[test]
fn a_schedule_as_json_has_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let load = "{ request_rate: [8, inf], arrivals: constant, requests: 17 }";
    let path = config(folder.path(), load, None);
    let said = said(
        inferbench()
            .args(["--json", "validate"])
            .arg(path)
            .arg("--show-schedule"),
    );
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let schedule = found["schedule"].as_array().unwrap();
    assert_eq!(schedule[0]["kind"], "request_rate");
    assert_eq!(schedule[0]["over_time"]["length_s"], 2.0);
    assert_eq!(schedule[0]["over_time"]["sends"], 17);
    let values = schedule[0]["over_time"]["values"].as_array().unwrap();
    let are_even = |value: &Value| (value.as_f64().unwrap() - 8.0).abs() < 1e-6;
    assert!(values.iter().all(are_even), "{values:?}");
    assert_eq!(schedule[1]["over_time"], Value::Null);
}

#[test]
fn a_whole_trace_is_one_cell_at_each_speed() {
    let folder = tempfile::tempdir().unwrap();
    let load = "{ arrivals: trace, speed: [2, 4], warmup_requests: 4 }";
    let path = config(folder.path(), load, Some(&trace()));
    let output = folder.path().join("results");
    let ran = said(
        inferbench()
            .arg("run")
            .arg(path)
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("trace speed"), "{}", ran.out);
    let run = run_folder(&output);
    let read = |file: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(run.join(file)).unwrap()).unwrap()
    };
    let report = read("report.json");
    let level = |speed: f64| json!({"kind": "trace_speed", "value": speed});
    assert_eq!(report["levels"], json!([level(2.0), level(4.0)]));
    for cell in read("cells.json")["cells"].as_array().unwrap() {
        assert_eq!(cell["counts"]["ok"], 36, "{cell}");
    }
    let requests = fs::read_to_string(run.join("requests.jsonl")).unwrap();
    let records = requests
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut planned: Vec<(u64, u64)> = records
        .filter(|record| record["level"] == level(2.0))
        .map(|r| {
            (
                r["index"].as_u64().unwrap(),
                r["scheduled_ns"].as_u64().unwrap(),
            )
        })
        .collect();
    planned.sort_unstable();
    let after_ms = |index: usize| (planned[index].1 - planned[0].1) / 1_000_000;
    // Rows 9, 10 and 39 are at 0.18, 0.6 and 1.98 s.
    assert_eq!([after_ms(9), after_ms(10), after_ms(39)], [90, 300, 990]);
    let audit = said(inferbench().args(["--json", "verify"]).arg(&run));
    let audit: Value = serde_json::from_str(&audit.out).unwrap();
    let rules = audit["rules"].as_array().unwrap();
    let times = rules.iter().find(|rule| rule["id"] == "V05").unwrap();
    assert_eq!(times["count"], 0, "{times}");
}

#[test]
fn a_trace_that_cannot_be_replayed_is_refused_with_its_line() {
    let row = |time: &str| format!("{{\"prompt_token_ids\": [11], \"output_tokens\": 4{time}}}\n");
    let at = |time: f64| row(&format!(", \"timestamp\": {time}"));
    for (rows, words) in [
        (at(1.0) + &row(""), "trace.jsonl:2 has no time"),
        (
            at(1.0) + &at(3.0) + &at(2.0),
            "trace.jsonl:3 is earlier than the row before it",
        ),
        (at(1.0), "trace.jsonl gives 1 requests, must be 2 or more"),
        (
            at(1.0) + &at(1.0),
            "trace.jsonl cannot be replayed: all of its rows have the same time",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = config(folder.path(), "{ arrivals: trace, speed: 1 }", Some(&rows));
        let said = said(inferbench().arg("validate").arg(path));
        assert_eq!(said.code, Some(2), "{}", said.out);
        assert!(
            said.err.contains("`load.arrivals` is trace, but"),
            "{}",
            said.err
        );
        assert!(said.err.contains(words), "{}", said.err);
    }
}
