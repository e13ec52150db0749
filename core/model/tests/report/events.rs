//! Backends whose events carry different numbers of tokens: gaps between
//! events do not compare, decode time per token does.

use inferbench_model::config::Level;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::report::{Outcome, Reason, Report, Severity};
use inferbench_test_support::runs::{Run, Timetable, records};

const AT_ONE: Level = Level::Concurrency(1);

/// Eight requests of eight tokens, one event each: the first after 10 ms, then
/// one every 4 ms.
fn one_by_one(block: u32) -> Vec<RequestRecord> {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 4.0,
        tokens: 8,
        n: 8,
    };
    records("single", block, plan)
}

/// The same tokens, four in an event: two events, 20 ms apart. A token takes
/// 20 / 4 = 5 ms, while TPOT says 20 / 7.
fn four_by_four(block: u32) -> Vec<RequestRecord> {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 20.0,
        tokens: 2,
        n: 8,
    };
    let mut records = records("bundled", block, plan);
    for record in &mut records {
        record.asked_output_tokens = 8;
        record.output_tokens = Some(8);
        record.tokens_per_event = Some(vec![4, 4]);
        record.decode_ms_per_token = Some(5.0);
        record.tpot_ms = Some(20.0 / 7.0);
    }
    records
}

fn mixed() -> Report {
    let mut run = Run::new(&["single", "bundled"], &[1], 2);
    for block in 0..2 {
        run.add(one_by_one(block));
        run.add(four_by_four(block));
    }
    run.report()
}

#[test]
fn different_tokens_per_event_are_warned_of_with_their_numbers() {
    let report = mixed();
    let warning = &report.warnings[0];
    assert_eq!(warning.severity, Severity::Warning);
    assert_eq!(
        warning.text,
        "different numbers of tokens come at once (1.00 in single and 4.00 in bundled on average): inter-token latency, time per output token and speed per user are not compared, decode time per token is"
    );
}

#[test]
fn the_tile_and_the_verdict_are_per_token() {
    let report = mixed();
    let tiles: Vec<&str> = report
        .tiles
        .iter()
        .map(|tile| tile.comparison.metric.as_str())
        .collect();
    assert_eq!(
        tiles,
        ["output_token_throughput", "ttft_ms", "decode_ms_per_token"]
    );
    // By TPOT bundled would win with 2.86 ms against 4; by token it is 5.
    let per_token = &report.tiles[2].comparison;
    assert_eq!(per_token.best, "single");
    assert_eq!(
        (per_token.best_value, per_token.second_value),
        (4.0, Some(5.0))
    );
    assert_eq!(per_token.outcome, Outcome::Faster);
}

#[test]
fn gaps_between_events_are_shown_and_not_compared() {
    let report = mixed();
    let comparison = report.comparison("itl_ms", &AT_ONE).unwrap();
    assert_eq!(comparison.outcome, Outcome::NoVerdict);
    assert_eq!(comparison.reason, Some(Reason::EventsDiffer));
    for row in &report.rows {
        for metric in ["tpot_ms", "itl_ms", "per_user_token_rate"] {
            let figure = &row.figures[metric];
            assert!(!figure.best && figure.ratio_to_best.is_none(), "{metric}");
            assert!(figure.typical.is_some(), "{metric}");
            let comparison = report.comparison(metric, &AT_ONE).unwrap();
            assert_eq!(comparison.reason, Some(Reason::EventsDiffer), "{metric}");
        }
    }
    let cautioned: Vec<&str> = report
        .metrics
        .iter()
        .filter(|metric| metric.caution.is_some())
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(cautioned, ["tpot_ms", "itl_ms", "per_user_token_rate"]);
}

/// A server that counts only whole answers still shows it: 8 tokens in 2 events.
#[test]
fn uncounted_tokens_per_event_follow_from_the_whole_count() {
    let mut run = Run::new(&["single", "bundled"], &[1], 2);
    for block in 0..2 {
        run.add(one_by_one(block));
        let mut uncounted = four_by_four(block);
        for record in &mut uncounted {
            record.tokens_per_event = None;
            record.decode_ms_per_token = None;
        }
        run.add(uncounted);
    }
    let report = run.report();
    assert!(report.warnings[0].text.contains("4.00 in bundled"));
    let comparison = report.comparison("itl_ms", &AT_ONE).unwrap();
    assert_eq!(comparison.reason, Some(Reason::EventsDiffer));
}

#[test]
fn equal_tokens_per_event_are_compared_as_ever() {
    let mut run = Run::new(&["single", "bundled"], &[1], 2);
    for block in 0..2 {
        run.add(one_by_one(block));
        let mut other = one_by_one(block);
        for record in &mut other {
            record.backend = "bundled".to_owned();
        }
        run.add(other);
    }
    let report = run.report();
    let comparison = report.comparison("itl_ms", &AT_ONE).unwrap();
    assert_eq!(comparison.outcome, Outcome::Equivalent);
    assert!(report.metrics.iter().all(|metric| metric.caution.is_none()));
    assert_eq!(report.tiles[2].comparison.metric, "tpot_ms");
}
