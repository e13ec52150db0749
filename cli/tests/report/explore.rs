//! The page's sections with choosers, and what they choose from.

use crate::common::page;
use inferbench_test_support::runs::{Run, Timetable, fail, records, two_backends};
use serde_json::{Value, json};

const HOSTILE: &str = "</script><script>alert(1)</script> & \"name\" \u{2028} of 60 letters";

/// What the page's script reads.
fn explore(page: &str) -> Value {
    let data = page.split("id=\"explore\">").nth(1).unwrap();
    serde_json::from_str(data.split("</script>").next().unwrap()).unwrap()
}

/// One backend at concurrency 1: 3 requests of 10 ms and four gaps of 5 ms, the
/// last of which failed.
fn three_requests(label: &str) -> Run {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 5.0,
        tokens: 5,
        n: 3,
    };
    let mut records = records(label, 0, plan);
    fail(&mut records[2], "http_status", Some(503), "<b>busy</b>");
    records[0].tokens_per_event = Some(vec![1, 1, 1, 12, 1]);
    let mut run = Run::new(&[label], &[1], 1);
    run.add(records);
    run
}

#[test]
fn what_is_chosen_from_is_what_the_report_says() {
    let data = explore(&page(&three_requests("one").report()));
    assert_eq!(data["levels"], json!(["concurrency 1"]));
    let first = &data["distributions"][0];
    assert_eq!(first["label"], "Time to first token");
    assert_eq!(first["curves"][0]["values"], json!([10.0, 10.0, 10.0]));
    assert_eq!(data["shares"][0], json!([0.0, 0.5, 1.0]));
    assert_eq!(data["gaps"][0]["p50"], json!([5.0, 5.0, 5.0, 5.0]));
    // 9 events carry one token, one carries 12
    assert_eq!(data["tokens"]["tokens"], json!(["1", "9 to 16"]));
    assert_eq!(data["tokens"]["backends"][0]["shares"], json!([0.9, 0.1]));
    let one = &data["requests"][0];
    assert_eq!(one["note"], "All 3 requests");
    assert_eq!(one["repeat"], 1);
    assert_eq!(one["sent"], json!([0.0, 0.03, 0.06]));
    assert_eq!(one["waiting"], json!([0.01, 0.01, 0.03]));
    assert_eq!(one["running"], json!([0.02, 0.02, null]));
    assert_eq!(one["failed"], json!([2]));
}

#[test]
fn curves_with_the_same_shares_refer_to_one_list() {
    let data = explore(&page(&two_backends().report()));
    // 16 requests each, and 64 gaps
    assert_eq!(data["shares"].as_array().unwrap().len(), 2);
    assert_eq!(data["requests"].as_array().unwrap().len(), 8);
}

#[test]
fn thinned_requests_say_how_many_there_are() {
    let plan = Timetable {
        concurrency: 2,
        ttft_ms: 10.0,
        jitter_ms: 1.0,
        gap_ms: 5.0,
        tokens: 3,
        n: 3000,
    };
    let mut run = Run::new(&["one"], &[2], 1);
    run.add(records("one", 0, plan));
    let data = explore(&page(&run.report()));
    let note = data["requests"][0]["note"].as_str().unwrap();
    let words = "256 of 3\u{202f}000 requests, drawn at random; ";
    assert!(note.starts_with(words), "{note}");
}

#[test]
fn sections_with_selectors_appear_where_there_is_something_to_select() {
    let full = page(&three_requests("one").report());
    let sections = [
        "distributions",
        "answers",
        "stalls",
        "tokens-per-event",
        "requests",
    ];
    for id in sections {
        assert!(full.contains(&format!("id=\"{id}\"")), "no {id}");
    }
    let mut run = Run::new(&["one"], &[1], 1);
    run.fail_to_start("one", "exited with status 1", &[]);
    let empty = page(&run.report());
    for id in sections.into_iter().chain(["explore"]) {
        assert!(!empty.contains(&format!("id=\"{id}\"")), "{id} is there");
    }
    let single = page(&two_backends().report());
    assert!(!single.contains("id=\"tokens-per-event\""));
}

#[test]
fn a_hostile_label_stays_text() {
    let page = page(&three_requests(HOSTILE).report());
    assert!(!page.contains("<script>alert"));
    let data = explore(&page);
    assert_eq!(data["backends"][0]["label"], HOSTILE);
    assert_eq!(data["backends"][0]["short"], "&lt;/scri…letters");
}
