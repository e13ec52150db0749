//! `verify`: a run that is what it says, and runs that were changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{inferbench, run_folder, said};
use inferbench_model::verify::RULES;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Gaps so wide that outputs do not come in one read on a busy machine: where all
/// do, no time depends on the number of tokens.
const CONFIG: &str = "
name: audited
model: { id: simulated }
backends:
  - { label: a, plugin: sim, options: { fixed_ttft_ms: 2, fixed_itl_ms: 15 } }
workload: { input_tokens: 16, output_tokens: 8 }
load: { request_rate: [200], requests: 40 }
repeats: 1
output_text: true
";

fn run_of(output: &Path) -> PathBuf {
    let config = output.join("bench.yaml");
    fs::write(&config, CONFIG).unwrap();
    let results = output.join("results");
    let run = said(
        inferbench()
            .arg("run")
            .arg(config)
            .arg("--output")
            .arg(&results),
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    run_folder(&results)
}

/// Exit code, and the ids of the rules with findings.
fn verify(run: &Path) -> (Option<i32>, Vec<String>) {
    let said = said(inferbench().args(["--json", "verify"]).arg(run));
    let found: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    let rules = found["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    let broken = rules.iter().filter(|rule| rule["count"] != 0);
    let broken = broken.map(|rule| rule["id"].as_str().unwrap().to_owned());
    (said.code, broken.collect())
}

/// Changes the first place of a file, derives everything again as someone would
/// who wants to hide it, and verifies.
fn changed(run: &Path, file: &str, change: impl Fn(&str) -> String) -> Vec<String> {
    let path = run.join(file);
    let before = fs::read_to_string(&path).unwrap();
    let after = change(&before);
    assert_ne!(before, after);
    fs::write(&path, after).unwrap();
    let again = said(inferbench().arg("report").arg(run));
    assert_eq!(again.code, Some(0), "{}", again.err);
    let (code, rules) = verify(run);
    assert_eq!(code, Some(4), "{rules:?}");
    fs::write(&path, before).unwrap();
    said(inferbench().arg("report").arg(run));
    rules
}

/// The text with the digit behind the `n`th `key` replaced by another.
fn digit(text: &str, key: &str, n: usize) -> String {
    let at = text.match_indices(key).nth(n);
    let at = at.unwrap_or_else(|| panic!("no {key} {n} times")).0 + key.len();
    let old = text.as_bytes()[at];
    let new = if old == b'7' { "8" } else { "7" };
    format!("{}{new}{}", &text[..at], &text[at + 1..])
}

#[test]
fn a_run_is_accepted_and_one_that_was_changed_by_a_digit_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path());
    let (code, rules) = verify(&run);
    assert_eq!(code, Some(0), "{rules:?}");
    // one repeat, simulated
    assert!(rules.contains(&"V13".to_owned()) && rules.contains(&"V15".to_owned()));

    let requests = "requests.jsonl";
    for (key, rule) in [
        ("\"ttft_ms\":", "V03"),
        ("\"first_output_ns\":", "V03"),
        ("\"itl_ms\":[", "V03"),
        ("\"output_tokens\":", "V03"),
        ("\"text\":\"", "V03"),
        ("\"text_marks\":\"", "V03"),
        ("\"text_chars\":", "V03"),
        ("\"index\":", "V04"),
        ("\"input_tokens\":", "V02"),
    ] {
        let rules = changed(&run, requests, |text| digit(text, key, 3));
        assert!(rules.contains(&rule.to_owned()), "{key}: {rules:?}");
        assert!(rules.contains(&"V02".to_owned()), "{key}: {rules:?}");
    }
    let rules = changed(&run, requests, |text| digit(text, "\"scheduled_ns\":", 5));
    assert!(rules.contains(&"V05".to_owned()), "{rules:?}");
    let rules = changed(&run, requests, |text| {
        let (_, rest) = text.split_once('\n').unwrap();
        rest.to_owned()
    });
    assert!(rules.contains(&"V04".to_owned()), "{rules:?}");
    let rules = changed(&run, "run.json", |text| {
        text.replace("\"block\": 0", "\"block\": 1")
    });
    assert!(rules.contains(&"V07".to_owned()), "{rules:?}");
}

/// Replaces in run.json and puts the hash of itself right again, as someone would who
/// knows how; the rules that then have findings.
fn forged(run: &Path, from: &str, to: &str) -> Vec<String> {
    changed(run, "run.json", |text| {
        let text = text.replacen(from, to, 1);
        let field = "\"own_sha256\": \"";
        let at = text.find(field).unwrap() + field.len();
        let zeros = "0".repeat(64);
        let open = format!("{}{zeros}{}", &text[..at], &text[at + 64..]);
        let hash = Sha256::digest(open.as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        open.replacen(&zeros, &hash, 1)
    })
}

#[test]
fn what_follows_from_plugin_seed_and_plan_is_held_against_a_forged_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path());
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    let rules = forged(&run, "\"simulated\": true", "\"simulated\": false");
    assert!(rules.contains(&"V20".to_owned()), "{rules:?}");
    assert!(!rules.contains(&"V16".to_owned()), "{rules:?}");
    let hash = manifest["workload_sha256"].as_str().unwrap();
    let rules = forged(&run, hash, &"0".repeat(64));
    assert!(rules.contains(&"V21".to_owned()), "{rules:?}");
    let last = manifest["anchors"][1]["monotonic_ns"].to_string();
    let rules = forged(&run, &last, "1");
    assert!(rules.contains(&"V20".to_owned()), "{rules:?}");
}

#[test]
fn a_file_of_facts_that_is_not_the_runs_own_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path());
    for name in [
        "host.0001.jsonl",
        "gpu.0007.jsonl.gz",
        "requests.0001.jsonl",
    ] {
        let text: &[u8] = match name.ends_with("gz") {
            // An empty gzip file.
            true => &[
                31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
            false => b"",
        };
        fs::write(run.join(name), text).unwrap();
        let (code, rules) = verify(&run);
        assert_eq!(code, Some(4), "{name}: {rules:?}");
        assert!(rules.contains(&"V02".to_owned()), "{name}: {rules:?}");
        fs::remove_file(run.join(name)).unwrap();
    }
    assert_eq!(verify(&run).0, Some(0));
}

#[test]
fn a_derived_file_that_was_changed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path());
    for file in [
        "cells.json",
        "report.json",
        "report.html",
        "summary.csv",
        "summary.md",
        "summary.prom",
    ] {
        let path = run.join(file);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{before} ")).unwrap();
        let verified = said(inferbench().arg("verify").arg(&run));
        assert_eq!(verified.code, Some(4), "{file}");
        assert!(
            verified
                .out
                .contains(&format!("{file}: does not follow from the facts")),
            "{}",
            verified.out
        );
        fs::write(&path, before).unwrap();
    }
    fs::remove_file(run.join("host.jsonl")).unwrap();
    let verified = said(inferbench().arg("verify").arg(&run));
    assert!(
        verified.out.contains("host.jsonl: it is not there"),
        "{}",
        verified.out
    );
}

#[test]
fn a_folder_that_is_no_run_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let verified = said(inferbench().arg("verify").arg(folder.path()));
    assert_eq!(verified.code, Some(2));
    assert!(
        verified
            .err
            .contains("is no run folder: it has no run.json"),
        "{}",
        verified.err
    );
}

#[test]
fn the_book_lists_every_rule() {
    let book = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/src/reference/verify.md"
    );
    let book = fs::read_to_string(book).unwrap();
    for rule in RULES {
        let line = format!(
            "| {} | {} | {} |",
            rule.id,
            rule.severity.word(),
            rule.claim
        );
        assert!(book.contains(&line), "no line {line}");
    }
}
