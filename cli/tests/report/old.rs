//! Run folders of an older version: `report`, `verify` and `compare` come to
//! the figures and verdicts that the old program itself recorded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::stored::{unpack, unpacked};
use crate::common::{Said, inferbench, json_file, said};
use serde_json::{Value, json};

const RUNS: [&str; 3] = ["simulated", "slower", "real"];

/// Fields with sentences for readers, which may be worded anew. A list of them
/// keeps its length.
const SENTENCES: [&str; 21] = [
    "absence",
    "breaches",
    "caution",
    "claim",
    "doubts",
    "explained",
    "formula",
    "label",
    "limit",
    "sentence",
    "sentences",
    "source",
    "text",
    "title",
    "warnings",
    "what",
    "why",
    "words",
    "worst",
    "machine",
    "notes",
];

/// Fields that are nothing but sentences, in any number.
const PROSE: [&str; 2] = ["answer", "environment"];

/// Fields that say which version wrote the file.
const VERSIONS: [&str; 2] = ["schema_version", "inferbench_version"];

fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_runs")
}

fn packed_json(file: &Path) -> Value {
    serde_json::from_slice(&unpacked(file)).unwrap()
}

/// The facts of a stored run in a folder of that name below `folder`.
fn copied(folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    unpack(&stored().join(name), &to);
    to
}

fn reported(run: &Path) {
    let again = said(inferbench().arg("report").arg(run));
    assert_eq!(again.code, Some(0), "{}", again.err);
}

/// Metrics that there are now and were not then.
const ADDED: [&str; 1] = ["slo_attainment"];

/// The list without the rows of metrics that were added since.
fn without_added(list: &[Value]) -> Vec<&Value> {
    let is_added = |row: &&Value| {
        row["name"]
            .as_str()
            .is_some_and(|name| ADDED.contains(&name))
    };
    list.iter().filter(|row| !is_added(row)).collect()
}

/// Everything in which `new` is not what `old` was, by its place.
fn differences(old: &Value, new: &Value, place: &str, found: &mut Vec<String>) {
    if has_events_that_differ(old, new) || is_tile_of_another_level(old, new) {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, was) in old {
                let place = format!("{place}.{key}");
                let is = new.get(key).unwrap_or(&Value::Null);
                if PROSE.contains(&key.as_str()) || VERSIONS.contains(&key.as_str()) {
                    continue;
                }
                if SENTENCES.contains(&key.as_str()) && is_words(was) {
                    let is_as_long = [length(was), length_without_waits(was)].contains(&length(is));
                    if !is_as_long && !is_stricter(&place, key, was, is) {
                        found.push(format!("{place}: {was} became {is}"));
                    }
                    continue;
                }
                let is_told = is_same_check(key, was, is)
                    || is_higher_hint(key, was, is)
                    || is_wider_gap(key, was, is);
                let is_computed_anew = is_of_repeats(&place, key) || is_of_few_requests(&place, is);
                let is_trusted_more = has_lost_nothing(&Value::Object(old.clone()), key, is);
                let is_other = is_told || is_computed_anew || is_trusted_more;
                if is_other || is_stricter(&place, key, was, is) {
                    continue;
                }
                differences(was, is, &place, found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == without_added(new).len() => {
            for (at, (was, is)) in old.iter().zip(without_added(new)).enumerate() {
                differences(was, is, &format!("{place}[{at}]"), found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{place}: {old} became {new}")),
    }
}

/// Checks of the self-check, which now have the codes of their warnings.
const CHECKS: [(&str, &str); 9] = [
    ("client_busy", "client-busy"),
    ("core_wait", "client-waited"),
    ("loop_lag", "stamped-late"),
    ("concurrency", "fewer-in-flight"),
    ("request_rate", "fewer-sent"),
    ("open_files", "no-open-files"),
    ("local_ports", "no-local-ports"),
    ("steal", "cpu-stolen"),
    ("clock_step", "clock-jumped"),
];

fn is_same_check(key: &str, was: &Value, is: &Value) -> bool {
    key == "check" && CHECKS.iter().any(|(old, new)| was == old && is == new)
}

/// Metrics that are no longer compared where events carry different numbers of tokens.
const BY_EVENTS: [&str; 2] = ["tpot_ms", "per_user_token_rate"];

/// What is trusted and compared less since then: late reads that events share break
/// trust, and the metrics above are not compared.
fn is_stricter(place: &str, key: &str, was: &Value, is: &Value) -> bool {
    let mut by_events = BY_EVENTS.iter();
    match key {
        "breaches" | "warnings" => length(is) > length(was),
        "trustworthy" => *was == json!(true) && *is == json!(false),
        "caution" => was.is_null() && is.is_string(),
        "best" | "ratio_to_best" | "against" => {
            let is_less = is.is_null() || *is == json!(false);
            is_less && by_events.any(|metric| place.contains(&format!(".figures.{metric}.")))
        }
        _ => false,
    }
}

/// A comparison in one of those metrics, which has no verdict any more.
fn has_events_that_differ(was: &Value, is: &Value) -> bool {
    let metric = was["metric"].as_str().unwrap_or_default();
    BY_EVENTS.contains(&metric)
        && was["metric"] == is["metric"]
        && is["reason"] == json!("events_differ")
}

/// What is taken from repeats since then: intervals of percentiles, which were order
/// statistics over requests, and the drift, which had one pair per level.
fn is_of_repeats(place: &str, key: &str) -> bool {
    let is_end = ["low", "high"].contains(&key);
    let is_percentile = is_end && place.contains(".figures.") && place.contains(".p");
    let is_drift = place.starts_with(".drift") && (is_end || ["drift", "ratio"].contains(&key));
    is_percentile || is_drift
}

/// Percentiles of values of which a request has many need as many requests as values
/// since then.
const MANY_OF_A_REQUEST: [&str; 2] = ["itl_ms", "tokens_per_event"];

fn is_of_few_requests(place: &str, is: &Value) -> bool {
    let mut many = MANY_OF_A_REQUEST.iter();
    is.is_null() && many.any(|metric| place.ends_with(&format!(".figures.{metric}.p99.value")))
}

/// The tile of a latency is at the level that tells most since then, not at the lowest.
/// The comparisons that it is one of are held against each other all the same.
fn is_tile_of_another_level(was: &Value, is: &Value) -> bool {
    let metric = was["metric"].as_str().unwrap_or_default();
    let is_latency = metric.ends_with("_ms") || metric == "decode_ms_per_token";
    let is_tile = was["unit"].is_string() && is_latency;
    is_tile && was["metric"] == is["metric"] && was["level"] != is["level"]
}

/// How many repeats would decide is counted for all open levels together since
/// then, as the verdict is, and for four of five tries: never fewer than before, and
/// none where that is beyond a thousand. What is clear at one level and not at all
/// together has a number too.
fn is_higher_hint(key: &str, was: &Value, is: &Value) -> bool {
    let fewer = was
        .as_u64()
        .zip(is.as_u64())
        .is_some_and(|(was, is)| is < was);
    key == "blocks_to_decide" && !fewer
}

/// The gap that ends a line grows with the buckets since then.
fn is_wider_gap(key: &str, was: &Value, is: &Value) -> bool {
    let numbers = was.as_f64().zip(is.as_f64());
    key == "gap_s" && numbers.is_some_and(|(was, is)| is >= was)
}

/// What the old program said of a client that waited for a core. Since then that is
/// held against a measurement only where load is missing, too.
const WAITED: &str = "stood ready without a core";

/// Whether a field of `was` differs because of nothing else: a measurement is trusted,
/// a check holds, a change is in doubt no more.
fn has_lost_nothing(was: &Value, key: &str, is: &Value) -> bool {
    match key {
        "trustworthy" => {
            length(&was["breaches"]) > 0
                && length_without_waits(&was["breaches"]) == 0
                && *is == json!(true)
        }
        "broken" => was["check"] == json!("core_wait") && is.as_u64() < was["broken"].as_u64(),
        "in_doubt" => was["in_doubt"] == json!(true) && is.is_null(),
        _ => false,
    }
}

/// How many a list has that do not say so.
fn length_without_waits(value: &Value) -> usize {
    match value {
        Value::Array(all) => {
            let others = all.iter().filter(|one| !one.to_string().contains(WAITED));
            others.count()
        }
        value => length(value),
    }
}

/// A text, or a list of texts, each alone or beside its code.
fn is_words(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(all) => all
            .iter()
            .all(|one| one.is_string() || one.get("text").is_some()),
        _ => false,
    }
}

/// How many a list has; a text is one.
fn length(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(all) => all.len(),
        _ => 1,
    }
}

fn assert_same(old: &Value, new: &Value, what: &str) {
    let mut found = Vec::new();
    differences(old, new, "", &mut found);
    let shown = found.iter().take(20).cloned().collect::<Vec<_>>();
    assert!(
        found.is_empty(),
        "{what}: {} differ\n{}",
        found.len(),
        shown.join("\n")
    );
}

/// Values of a table by row and column; a row is named by its level and backend.
fn table(text: &str) -> BTreeMap<(usize, String), String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows = reader.records().map(Result::unwrap).enumerate();
    rows.flat_map(|(at, row)| {
        let fields = names.iter().zip(row.iter());
        let fields = fields.map(|(name, field)| ((at, name.to_owned()), field.to_owned()));
        fields.collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn report_comes_to_the_figures_and_verdicts_of_the_old_program() {
    let folder = tempfile::tempdir().unwrap();
    for name in RUNS {
        let run = copied(folder.path(), name);
        reported(&run);
        let expected = stored().join(name).join("expected");
        for file in ["report.json", "cells.json"] {
            let old = packed_json(&expected.join(format!("{file}.gz")));
            assert_same(&old, &json_file(&run.join(file)), &format!("{name}/{file}"));
        }
        let old = table(&fs::read_to_string(expected.join("summary.csv")).unwrap());
        let new = table(&fs::read_to_string(run.join("summary.csv")).unwrap());
        for (place, value) in old {
            let mut many = MANY_OF_A_REQUEST.iter();
            let few = many.any(|metric| place.1 == format!("{metric}_p99"));
            let is_same = new.get(&place) == Some(&value);
            let is_left_out = few && new.get(&place).is_some_and(String::is_empty);
            assert!(is_same || is_left_out, "{name}: {place:?}");
        }
    }
}

/// Id, severity and number of findings of each rule.
fn rules(found: &Value) -> Vec<(String, String, u64)> {
    let rules = found["rules"].as_array().unwrap().iter();
    rules
        .map(|rule| {
            let text = |key: &str| rule[key].as_str().unwrap().to_owned();
            (
                text("id"),
                text("severity"),
                rule["count"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn verify_comes_to_the_state_that_the_old_program_found() {
    let folder = tempfile::tempdir().unwrap();
    for name in RUNS {
        let run = copied(folder.path(), name);
        reported(&run);
        let verified = said(inferbench().args(["--json", "verify"]).arg(&run));
        assert_eq!(verified.code, Some(0), "{}", verified.err);
        let new: Value = serde_json::from_str(&verified.out).unwrap();
        let old = json_file(&stored().join(name).join("expected/verify.json"));
        assert_eq!(new["accepted"], old["accepted"], "{name}");
        let new_rules = rules(&new);
        // Whether the plugins are still where they were depends on this machine.
        for rule in rules(&old).into_iter().filter(|(id, ..)| id != "V14") {
            let (id, _, was) = &rule;
            let (.., is) = new_rules.iter().find(|(new, ..)| new == id).unwrap();
            // Others are trusted since then, some more, some less.
            let is_trust = id == "V11" && is != was;
            let same = new_rules.contains(&rule) || is_trust;
            assert!(same, "{name}: {rule:?}, {new_rules:?}");
        }
    }
}

#[test]
fn derived_files_of_the_old_program_are_not_held_against_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied(folder.path(), RUNS[0]);
    let cells = json!({ "schema_version": 1, "cells": [] });
    fs::write(run.join("cells.json"), cells.to_string()).unwrap();
    let verified = said(inferbench().arg("verify").arg(&run));
    assert_eq!(verified.code, Some(0), "{}", verified.err);
    let line = "cells.json has schema_version 1, this build writes 3";
    assert!(verified.out.contains(line), "{}", verified.out);
}

fn compared(runs: [&str; 2], folder: &Path) -> Said {
    let mut command = inferbench();
    command.current_dir(folder).args(["--json", "compare"]);
    command.args(runs).args(["--fail-on-regression", "5%"]);
    // What the old program looked at by default; TTFT and TPOT came since then.
    command.args(["--metric", "output_token_throughput"]);
    said(&mut command)
}

#[test]
fn compare_finds_the_same_changes_and_the_same_regressions() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path(), "simulated");
    copied(folder.path(), "slower");
    let new = compared(["was=simulated", "is=slower"], folder.path());
    assert_eq!(new.code, Some(4), "{}", new.err);
    let old = packed_json(&stored().join("compared.json.gz"));
    assert_same(&old, &serde_json::from_str(&new.out).unwrap(), "compared");
}

#[test]
fn compare_has_the_hardware_of_each_run_under_its_label() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path(), "simulated");
    copied(folder.path(), "slower");
    let said = compared(["was=simulated", "is=slower"], folder.path());
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let listed = |list: &Value, key: &str| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(&report["timelines"], "run"), ["was", "is"]);
    let labels = listed(&report["backends"], "label");
    for timeline in report["timelines"].as_array().unwrap() {
        let cells = listed(&timeline["cells"], "backend");
        assert!(!cells.is_empty());
        assert!(
            cells.iter().all(|label| labels.contains(label)),
            "{cells:?}"
        );
        assert!(!timeline["series"].as_array().unwrap().is_empty());
    }
}

#[test]
fn compare_still_refuses_runs_of_other_work() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path(), "simulated");
    copied(folder.path(), "real");
    let refused = compared(["simulated", "real"], folder.path());
    assert_eq!(refused.code, Some(2), "{}", refused.out);
    assert!(refused.err.contains("models/tiny"), "{}", refused.err);
}

#[test]
fn a_changed_number_verdict_or_count_is_found_and_a_changed_sentence_is_not() {
    let changed = |old: Value, new: Value| {
        let mut found = Vec::new();
        differences(&old, &new, "", &mut found);
        !found.is_empty()
    };
    assert!(changed(json!({"p50": 1.5}), json!({"p50": 1.6})));
    assert!(changed(json!({"p50": 1.5}), json!({})));
    assert!(changed(
        json!({"outcome": "faster"}),
        json!({"outcome": "inconclusive"})
    ));
    assert!(changed(
        json!({"breaches": ["a", "b"]}),
        json!({"breaches": ["c"]})
    ));
    assert!(changed(json!({"limit": 0.05}), json!({"limit": 0.1})));
    assert!(!changed(
        json!({"text": "a", "n": 1}),
        json!({"text": "b", "n": 1, "code": "c"})
    ));
}
