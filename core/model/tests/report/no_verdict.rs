//! Runs that leave no verdict, and why, in the report.

use inferbench_model::config::Level;
use inferbench_model::facts::changed_shard::ChangedShard;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::shard::MergedFacts;
use inferbench_model::report::{Outcome, Reason, Severity};
use inferbench_test_support::runs::{Run, fail, one_failed, one_of_each, records, two_backends};

use super::by_hand::{FIRST, with_gap};

#[test]
fn one_repeat_gives_figures_and_no_verdict() {
    let mut run = Run::new(&["fast", "slow"], &[1], 1);
    run.add(records("fast", 0, FIRST));
    run.add(records("slow", 0, with_gap(10.0)));
    let report = run.report();
    // 5 tokens in 30 ms against 5 in 50
    assert_eq!(
        report.answer,
        [
            "One repeat: figures, no verdict.",
            "The most output tokens per second came from fast at concurrency 1 (1.67 times the next).",
        ]
    );
    assert_eq!(report.tiles[0].comparison.reason, Some(Reason::OneRepeat));
}

#[test]
fn one_backend_is_compared_with_nothing() {
    let report = one_of_each().report();
    assert_eq!(
        report.answer[0],
        "fast was measured alone: figures, and nothing to compare them with."
    );
    // 5 tokens in 30 ms
    assert_eq!(
        report.answer[1],
        "It reaches 167 output tokens/s at concurrency 1; its first token comes after 10.0 ms (p50) at concurrency 1."
    );
}

#[test]
fn a_backend_that_did_not_start_is_named_with_its_cause() {
    let report = one_failed().report();
    assert_eq!(
        report.answer[0],
        "Only fast gave results, so there is no comparison."
    );
    assert_eq!(
        report.answer.last().unwrap(),
        "slow gave no result: exited with status 1 after 4.2 s, before it was ready."
    );
    assert_eq!(report.warnings[0].severity, Severity::Critical);
    assert_eq!(report.warnings[0].backend.as_deref(), Some("slow"));
    let absent = report.row("slow", &Level::Concurrency(1)).unwrap();
    assert!(
        absent
            .absence
            .as_ref()
            .unwrap()
            .text
            .starts_with("not measured: exited")
    );
    assert!(absent.figures.is_empty());
}

#[test]
fn a_run_in_which_all_failed_says_so_for_each() {
    let mut run = Run::new(&["a", "b"], &[1], 1);
    run.fail_to_start("a", "exited with status 1", &[]);
    run.fail_to_start("b", "not ready after 1200 s", &[]);
    let report = run.report();
    assert_eq!(
        report.answer,
        [
            "No backend gave a result.",
            "a: exited with status 1.",
            "b: not ready after 1200 s.",
        ]
    );
}

#[test]
fn no_successful_request_gives_no_figure() {
    let mut run = Run::new(&["a"], &[1], 1);
    let mut failed = records("a", 0, FIRST);
    for record in &mut failed {
        fail(record, "http_503", Some(503), "overloaded");
    }
    run.add(failed);
    let report = run.report();
    assert_eq!(
        report.answer,
        [
            "a gave no result.",
            "a: all 8 requests failed (8 http_503), for example: overloaded."
        ]
    );
    assert_eq!(
        report
            .row("a", &Level::Concurrency(1))
            .unwrap()
            .typical("ttft_ms"),
        None
    );
    assert_eq!(report.request_failures.len(), 1);
    assert_eq!(report.request_failures[0].count, 8);
}

#[test]
fn the_commonest_reason_comes_first_with_one_example() {
    let mut run = Run::new(&["a"], &[1], 1);
    let mut failed = records("a", 0, FIRST);
    for (index, record) in failed.iter_mut().enumerate() {
        if index < 2 {
            fail(record, "connection_reset", None, "Connection reset by peer");
        } else {
            fail(record, "http_503", Some(503), "no capacity.");
        }
    }
    run.add(failed);
    assert_eq!(
        run.report().answer[1],
        "a: all 8 requests failed (6 http_503, 2 connection_reset), for example: no capacity."
    );
}

#[test]
fn a_limited_client_leaves_no_verdict() {
    let mut run = two_backends();
    let limited = SelfCheck {
        client_was_limit: true,
        ..SelfCheck::default()
    };
    for cell in &mut run.cells {
        if cell.level == Level::Concurrency(2) {
            cell.self_check = limited.clone();
        }
    }
    let report = run.report();
    assert_eq!(
        report.answer[0],
        "fast serves Qwen/Qwen2.5-0.5B-Instruct fastest at concurrency 1."
    );
    assert_eq!(
        report.answer.last().unwrap(),
        "The client, not a backend, was the limit at concurrency 2."
    );
    for cell in &mut run.cells {
        cell.self_check = limited.clone();
    }
    assert_eq!(
        run.report().answer,
        ["No verdict: the client, not a backend, was the limit at every level."]
    );
}

#[test]
fn many_failures_leave_no_verdict() {
    let mut run = Run::new(&["a", "b"], &[1], 2);
    for block in 0..2 {
        let mut some = records("a", block, with_gap(5.0));
        fail(&mut some[3], "timeout", None, "no answer within 600 s");
        run.add(some);
        run.add(records("b", block, with_gap(10.0)));
    }
    let report = run.report();
    // 2 of 16 is more than a twentieth
    assert_eq!(
        report.tiles[0].comparison.reason,
        Some(Reason::TooManyFailed)
    );
    assert_eq!(
        report.answer,
        ["No verdict: too many requests of a failed at concurrency 1."]
    );
    let warning = report
        .warnings
        .iter()
        .find(|w| w.text.contains("failed"))
        .unwrap();
    assert_eq!(warning.text, "2 of 16 requests failed (2 timeout)");
}

#[test]
fn a_skipped_level_says_why() {
    let mut run = two_backends();
    run.config.backends[1].max_concurrency = Some(1);
    run.manifest.plan = inferbench_model::plan::RunPlan::new(&run.config);
    let at_two = |cell: &inferbench_model::cell::row::CellRow| {
        cell.backend == "slow" && cell.level == Level::Concurrency(2)
    };
    let kept: Vec<bool> = run.cells.iter().map(|cell| !at_two(cell)).collect();
    let mut keep = kept.iter();
    run.cells.retain(|_| *keep.next().unwrap());
    let mut keep = kept.iter();
    run.records.retain(|_| *keep.next().unwrap());
    let report = run.report();
    let absence = report
        .row("slow", &Level::Concurrency(2))
        .unwrap()
        .absence
        .clone();
    assert_eq!(
        absence.unwrap().text,
        "skipped: max_concurrency of this backend is 1"
    );
}

/// The run of two backends as shards made it, of which one was changed after its run.
fn merged_of_changed(missing: &[u32]) -> Run {
    let mut run = two_backends();
    run.manifest.merged = Some(MergedFacts {
        count: 6,
        shards: Vec::new(),
        missing: missing.to_vec(),
        changed: (1..6)
            .map(|shard| ChangedShard {
                shard,
                files: vec!["run.json".to_owned(), "host.jsonl".to_owned()],
            })
            .collect(),
    });
    run
}

#[test]
fn facts_that_were_changed_after_the_run_are_named_first_and_leave_no_verdict() {
    assert!(
        two_backends()
            .report()
            .comparisons
            .iter()
            .any(|c| c.reason.is_none())
    );
    let report = merged_of_changed(&[]).report();
    let files = |shard: u32| format!("shard {shard} (run.json, host.jsonl)");
    let named: Vec<String> = (1..5).map(files).collect();
    let first = format!(
        "Facts were changed after the run: {} and 1 more.",
        named.join(", ")
    );
    assert_eq!(report.answer[0], first);
    let reasons = report.comparisons.iter().map(|c| (c.outcome, c.reason));
    let none = (Outcome::NoVerdict, Some(Reason::ShardsChanged));
    assert!(reasons.clone().count() > 0 && reasons.into_iter().all(|of| of == none));
    assert_eq!(
        report.answer[1],
        "No verdict: facts were changed after the run, so the figures are not of what was measured."
    );
    // What is missing comes before what was changed.
    let report = merged_of_changed(&[0]).report();
    assert_eq!(report.answer[0], "Partial 5 of 6 shards.");
    assert_eq!(report.answer[1], first);
}
