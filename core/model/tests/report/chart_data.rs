//! Distributions, gaps inside answers and requests over time of three requests,
//! which can be worked out in the head.

use inferbench_model::config::Level;
use inferbench_model::facts::record::{Phase, RequestRecord};
use inferbench_model::report::Report;
use inferbench_test_support::runs::{Run, Timetable, fail, records, two_backends};

const MS: u64 = 1_000_000;

/// A request that was sent at `sent_ms`, with its outputs these times later.
fn request(index: u64, sent_ms: u64, outputs_ms: &[u64]) -> RequestRecord {
    let plan = Timetable {
        concurrency: 2,
        ttft_ms: 1.0,
        jitter_ms: 0.0,
        gap_ms: 1.0,
        tokens: outputs_ms.len() as u32,
        n: 1,
    };
    let mut record = records("one", 0, plan).remove(0);
    let at = |ms: u64| 1_000 * MS + (sent_ms + ms) * MS;
    let last = *outputs_ms.last().unwrap();
    record.index = index;
    record.sent_ns = Some(at(0));
    record.first_output_ns = Some(at(outputs_ms[0]));
    record.last_output_ns = Some(at(last));
    record.end_ns = at(last + 1);
    record.ttft_ms = Some(outputs_ms[0] as f64);
    record.e2e_latency_ms = Some(last as f64);
    record.itl_ms = outputs_ms
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64)
        .collect();
    record
}

/// Two at once: the first warms up from 0 to 41 ms, the second runs from 10 to
/// 91 ms, the third from 50 to 131, and the last is sent at 100 and fails at 151.
fn report() -> Report {
    let mut run = Run::new(&["one"], &[2], 1);
    let mut warm = request(0, 0, &[20, 30, 40]);
    warm.phase = Phase::Warmup;
    let mut second = request(1, 10, &[30, 40, 80]);
    second.tokens_per_event = Some(vec![1, 3, 2]);
    let third = request(2, 50, &[10, 30, 80]);
    let mut failed = request(3, 100, &[50]);
    fail(&mut failed, "http_status", Some(503), "busy");
    run.add(vec![warm, second, third, failed]);
    run.report()
}

#[test]
fn a_distribution_is_that_of_the_measured_requests() {
    let report = report();
    let found = |metric: &str| {
        let own = report.distributions.iter().find(|d| d.metric == metric);
        let curve = own.unwrap().curves[0].clone();
        (curve.n, curve.share, curve.value)
    };
    // the second waited 30 ms, the third 10; the first was a warm-up
    assert_eq!(
        found("ttft_ms"),
        (2, vec![0.0, 0.5, 1.0], vec![10.0, 10.0, 30.0])
    );
    // 10 and 40 ms between the outputs of the second, 20 and 50 of the third
    assert_eq!(
        found("itl_ms"),
        (
            4,
            vec![0.0, 0.25, 0.5, 0.75, 1.0],
            vec![10.0, 10.0, 20.0, 40.0, 50.0]
        )
    );
    let names: Vec<&str> = report
        .distributions
        .iter()
        .map(|distribution| distribution.metric.as_str())
        .collect();
    assert_eq!(names, ["ttft_ms", "tpot_ms", "itl_ms", "e2e_latency_ms"]);
}

#[test]
fn gaps_are_reported_by_their_place_in_the_answer() {
    let report = report();
    let gaps = &report.gaps_by_position[0];
    assert_eq!((gaps.width, gaps.n.as_slice()), (1, [2, 2].as_slice()));
    assert_eq!(gaps.position, [1, 2]);
    assert_eq!(gaps.p50_ms, [10.0, 40.0]);
    assert_eq!(gaps.max_ms, [20.0, 50.0]);
    assert_eq!(gaps.p99_ms, [None, None]);
}

#[test]
fn events_are_reported_by_their_tokens_where_some_carry_several() {
    let report = report();
    let found = &report.tokens_per_event[0];
    // the third reported one token for each of its three events
    assert_eq!((found.backend.as_str(), found.events), ("one", 6));
    let shares: Vec<(u32, u64)> = found.shares.iter().map(|s| (s.from, s.events)).collect();
    assert_eq!(shares, [(1, 4), (2, 1), (3, 1)]);
    assert_eq!(found.shares[0].share, 0.66667);
    assert!(two_backends().report().tokens_per_event.is_empty());
}

#[test]
fn every_request_that_was_sent_is_on_the_time_axis() {
    let report = report();
    let one = &report.requests_over_time[0];
    assert_eq!((one.level, one.block), (Level::Concurrency(2), 0));
    assert_eq!(one.sent, 4);
    let lines = &one.lines;
    assert_eq!(lines.index, [0, 1, 2, 3]);
    assert_eq!(lines.sent_s, [0.0, 0.01, 0.05, 0.1]);
    assert_eq!(lines.waiting_s, [0.02, 0.03, 0.01, 0.051]);
    assert_eq!(lines.running_s, [Some(0.02), Some(0.05), Some(0.07), None]);
    assert_eq!(lines.failed, [false, false, false, true]);
    // measured from the second send on; the load falls once the third is over
    assert_eq!(one.window_start_s, Some(0.01));
    assert_eq!(one.window_end_s, Some(0.131));
    let at = |list: &[u64], ms: f64| list[(ms / 1e3 / one.load.span_s) as usize];
    for (ms, in_flight, waiting) in [
        (5.0, 1, 1),
        (15.0, 2, 2),
        (30.0, 2, 1),
        (45.0, 1, 0),
        (55.0, 2, 1),
        (95.0, 1, 0),
        (120.0, 2, 1),
        (140.0, 1, 1),
    ] {
        assert_eq!(at(&one.load.in_flight_min, ms), in_flight, "at {ms} ms");
        assert_eq!(at(&one.load.in_flight_max, ms), in_flight, "at {ms} ms");
        assert_eq!(at(&one.load.waiting_max, ms), waiting, "at {ms} ms");
    }
}

#[test]
fn repeats_are_one_distribution_and_stand_apart_over_time() {
    let report = two_backends().report();
    // 8 requests in each of two repeats
    let of_fast = &report.distributions[0].curves[0];
    assert_eq!((of_fast.backend.as_str(), of_fast.n), ("fast", 16));
    let order: Vec<(&str, String, u32)> = report
        .requests_over_time
        .iter()
        .map(|one| (one.backend.as_str(), one.level.value_text(), one.block))
        .collect();
    assert_eq!(order.len(), 8);
    assert_eq!(order[0], ("fast", "1".to_owned(), 0));
    assert_eq!(order[1], ("fast", "1".to_owned(), 1));
    assert_eq!(order[2], ("slow", "1".to_owned(), 0));
    assert_eq!(order[7], ("slow", "2".to_owned(), 1));
}

#[test]
fn a_report_without_chart_data_still_reads() {
    let mut old = serde_json::to_value(report()).unwrap();
    let fields = old.as_object_mut().unwrap();
    for name in [
        "distributions",
        "gaps_by_position",
        "tokens_per_event",
        "requests_over_time",
    ] {
        assert!(fields.remove(name).is_some(), "no {name}");
    }
    let read: Report = serde_json::from_value(old).unwrap();
    assert!(read.distributions.is_empty() && read.requests_over_time.is_empty());
}
