//! The verdict of an open loop, checked against hand arithmetic: throughput
//! follows the offered rate, so goodput or latency from the planned time
//! decides.

use inferbench_model::config::{Level, Rate};
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::plan::RunPlan;
use inferbench_model::report::{Outcome, Reason, Report};
use inferbench_test_support::runs::{Run, Timetable, records};
use serde_json::json;

const N: u64 = 100;

fn ms_to_ns(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

/// `N` requests planned at a constant rate. Request i takes `ttft_ms` and 20 ms
/// more for four further tokens, and everything `late_ms * i` longer.
fn planned(backend: &str, block: u32, rate: f64, ttft_ms: f64, late_ms: f64) -> Vec<RequestRecord> {
    let plan = Timetable {
        concurrency: N as u32,
        ttft_ms,
        jitter_ms: 0.0,
        gap_ms: 5.0,
        tokens: 5,
        n: N,
    };
    let mut records = records(backend, block, plan);
    for (i, record) in records.iter_mut().enumerate() {
        let start_ns = 1_000_000_000 + ms_to_ns(1000.0 / rate * i as f64);
        let late = late_ms * i as f64;
        let at = |ms: f64| start_ns + ms_to_ns(ms + late);
        record.level = Level::RequestRate(Rate(rate));
        record.scheduled_ns = Some(start_ns);
        record.sent_ns = Some(start_ns);
        record.send_lag_ms = Some(0.0);
        record.first_output_ns = Some(at(ttft_ms));
        record.last_output_ns = Some(at(ttft_ms + 20.0));
        record.end_ns = at(ttft_ms + 20.0);
        record.ttft_ms = Some(ttft_ms + late);
        record.e2e_latency_ms = Some(ttft_ms + 20.0 + late);
        record.e2e_from_schedule_ms = record.e2e_latency_ms;
    }
    records
}

fn open(labels: &[&str], rates: &[f64], repeats: u32) -> Run {
    let mut run = Run::new(labels, &[1], repeats);
    run.config.load =
        serde_json::from_value(json!({"request_rate": rates, "requests": N})).unwrap();
    run.manifest.plan = RunPlan::new(&run.config);
    run
}

/// Both keep up at 10 requests/s; `a` ends its requests after 30 ms, `b` after 60.
fn both_keep_up(repeats: u32) -> Run {
    let mut run = open(&["a", "b"], &[10.0], repeats);
    for block in 0..repeats {
        run.add(planned("a", block, 10.0, 10.0, 0.0));
        run.add(planned("b", block, 10.0, 40.0, 0.0));
    }
    run
}

const AT_TEN: Level = Level::RequestRate(Rate(10.0));

#[test]
fn without_an_slo_latency_from_the_planned_time_decides() {
    let report = both_keep_up(2).report();
    // 30 ms against 60
    assert_eq!(
        report.answer,
        [
            "a serves Qwen/Qwen2.5-0.5B-Instruct fastest here.",
            "It takes 0.500 times the time of the next backend from planned send to last token (p50) at 10 requests/s.",
        ]
    );
    let tiles: Vec<&str> = report
        .tiles
        .iter()
        .map(|tile| tile.comparison.metric.as_str())
        .collect();
    assert_eq!(tiles, ["e2e_from_schedule_ms", "ttft_ms", "tpot_ms"]);
    for backend in ["a", "b"] {
        let pace = report.row(backend, &AT_TEN).unwrap().pace.unwrap();
        assert!(pace.keeps_up, "{backend}");
        // 99 gaps in 9.9 s
        assert!((pace.offered_per_s - 10.0).abs() < 1e-9);
    }
}

#[test]
fn one_repeat_of_an_open_loop_names_the_shorter_time() {
    assert_eq!(
        both_keep_up(1).report().answer,
        [
            "One repeat: figures, no verdict.",
            "The shortest time from planned send to last token (p50) came from a at 10 requests/s (0.500 times the next).",
        ]
    );
}

#[test]
fn one_backend_alone_shows_its_latency_and_not_the_rate_it_was_given() {
    let mut run = open(&["a"], &[10.0], 1);
    run.add(planned("a", 0, 10.0, 10.0, 0.0));
    assert_eq!(
        run.report().answer[1],
        "It takes 30.0 ms from planned send to last token (p50) at 10 requests/s; its first token comes after 10.0 ms (p50) at 10 requests/s."
    );
}

/// `a` is better by p50, and worse by p99.
#[test]
fn a_backend_with_the_better_tail_is_named() {
    let mut run = both_keep_up(2);
    for cell in 0..run.records.len() {
        if run.cells[cell].backend == "a" {
            for record in run.records[cell].iter_mut().rev().take(5) {
                record.e2e_from_schedule_ms = Some(500.0);
            }
        }
    }
    // Of 200 pooled values of a ten are 500: rank 0.99 * 199 lies among them.
    assert_eq!(
        run.report().answer[2],
        "At p99 it is b at 10 requests/s: 60.0 ms against 500 ms."
    );
}

/// Limits of 50 ms to the first token: `a` meets it always, `b` in its first
/// 20 requests, its wait growing by 2 ms with each.
fn with_slo() -> Run {
    let mut run = open(&["a", "b"], &[10.0], 2);
    run.config.slo.ttft_ms = Some(50.0);
    for block in 0..2 {
        run.add(planned("a", block, 10.0, 10.0, 0.0));
        run.add(planned("b", block, 10.0, 11.0, 2.0));
    }
    run
}

#[test]
fn with_an_slo_goodput_decides() {
    let report = with_slo().report();
    // In 9.9 s 99 requests of a end (the last ends 30 ms later), and of b those
    // with 11 + 2 i <= 50, which are 20: 99 / 20
    assert_eq!(
        report.answer[..2],
        [
            "a serves Qwen/Qwen2.5-0.5B-Instruct best within the SLO here.",
            "It gives 4.95 times the requests per second within the SLO of the next backend at 10 requests/s.",
        ]
    );
    assert_eq!(report.tiles[0].comparison.metric, "goodput");
}

#[test]
fn a_backend_that_never_meets_the_slo_loses_clearly() {
    let mut run = both_keep_up(2);
    run.config.slo.ttft_ms = Some(20.0);
    recompute(&mut run);
    let report = run.report();
    let comparison = report.comparison("goodput", &AT_TEN).unwrap();
    assert_eq!(comparison.outcome, Outcome::Faster);
    assert_eq!(comparison.interval, None);
    assert_eq!(
        report.answer[1],
        "It is the only one that gives any request within the SLO at 10 requests/s."
    );
}

#[test]
fn where_none_meets_the_slo_there_is_no_verdict() {
    let mut run = both_keep_up(2);
    run.config.slo.ttft_ms = Some(5.0);
    recompute(&mut run);
    let report = run.report();
    let comparison = report.comparison("goodput", &AT_TEN).unwrap();
    assert_eq!(comparison.reason, Some(Reason::AllZero));
    assert_eq!(
        report.answer[0],
        "No verdict: no request of any backend met the SLO at 10 requests/s."
    );
}

/// Makes the rows of the cells again, under the limits that the config has now.
fn recompute(run: &mut Run) {
    run.cells.clear();
    for records in std::mem::take(&mut run.records) {
        run.add(records);
    }
}

fn overloaded(rates: &[f64]) -> Report {
    let mut run = open(&["a", "b"], rates, 2);
    for block in 0..2 {
        for rate in rates {
            run.add(planned("a", block, *rate, 10.0, 0.0));
            // b serves 40 requests/s at most: each waits until 25 ms after the
            // one before it
            let late_ms = (25.0 - 1000.0 / rate).max(0.0);
            run.add(planned("b", block, *rate, 10.0, late_ms));
        }
    }
    run.report()
}

#[test]
fn a_backend_that_does_not_keep_up_is_named_with_its_rates() {
    let report = overloaded(&[10.0, 50.0, 100.0]);
    // At 100/s the window is 0.99 s: request i ends at 30 + 25 i ms, so i <= 38:
    // 39 requests, 39.4/s. At 50/s it is 1.98 s, i <= 78: 79 requests, 39.9/s.
    assert_eq!(
        report.answer.last().unwrap(),
        "b does not keep up with the offered rate from 50 requests/s on: it completes 39.9 of 50.0 and 39.4 of 100 requests/s."
    );
    let pace = |rate| {
        let level = Level::RequestRate(Rate(rate));
        report.row("b", &level).unwrap().pace.unwrap()
    };
    assert!(pace(10.0).keeps_up);
    assert!(!pace(100.0).keeps_up);
}

#[test]
fn a_short_window_without_warm_up_is_no_overload() {
    let mut run = open(&["a"], &[100.0], 1);
    // 100 requests/s for 0.99 s, each served in 120 ms whatever the load: only
    // 88 end inside the window, and yet none waits.
    run.add(planned("a", 0, 100.0, 100.0, 0.0));
    let report = run.report();
    let pace = report.rows[0].pace.unwrap();
    assert!(pace.completed_per_s.unwrap() < 0.95 * pace.offered_per_s);
    assert!(pace.keeps_up);
    assert!(!report.answer.iter().any(|said| said.contains("keep up")));
}

#[test]
fn requests_sent_all_at_once_are_judged_by_throughput() {
    let mut run = open(&["a", "b"], &[10.0], 2);
    run.config.load =
        serde_json::from_value(json!({"request_rate": ["inf"], "requests": N})).unwrap();
    run.manifest.plan = RunPlan::new(&run.config);
    for block in 0..2 {
        for (label, ttft) in [("a", 10.0), ("b", 40.0)] {
            let mut cell = planned(label, block, 10.0, ttft, 0.0);
            for record in &mut cell {
                record.level = Level::RequestRate(Rate(f64::INFINITY));
            }
            run.add(cell);
        }
    }
    let report = run.report();
    assert_eq!(report.rows[0].pace, None);
    assert_eq!(report.tiles[0].comparison.metric, "output_token_throughput");
}

#[test]
fn the_end_to_end_limit_counts_from_the_planned_time() {
    // 30 ms from the send to the end. Every second request is sent 100 ms late, so its
    // user waits for 130 ms: half of the requests are good, at the same throughput.
    let mut run = open(&["a"], &[10.0], 1);
    run.config.slo.e2e_latency_ms = Some(60.0);
    let mut records = planned("a", 0, 10.0, 10.0, 0.0);
    for record in records.iter_mut().step_by(2) {
        record.send_lag_ms = Some(100.0);
        record.scheduled_ns = record.scheduled_ns.map(|at| at - ms_to_ns(100.0));
        record.e2e_from_schedule_ms = record.e2e_latency_ms.map(|ms| ms + 100.0);
    }
    run.add(records);
    let report = run.report();
    let row = report.row("a", &AT_TEN).unwrap();
    let share = row.typical("goodput").unwrap() / row.typical("request_throughput").unwrap();
    assert!((share - 0.5).abs() < 0.01, "{share}");
}
