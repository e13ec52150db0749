//! Figures that move while they are taken, and a machine that drifts: what the
//! report says about them, and when there is no verdict because of it.

use inferbench_model::config::Level;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::report::{Outcome, Reason, Report, Series, Severity};
use inferbench_model::stats::trend::trend;
use inferbench_test_support::runs::{Run, Timetable, records};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const N: u64 = 60;
const AT_ONE: Level = Level::Concurrency(1);

/// One request after the other, each of `ttft_ms` and 20 ms more; what the first
/// token takes grows by `growth_ms` with each request. A jitter of 1 ms keeps
/// rows from being level to the last digit.
fn growing(backend: &str, block: u32, ttft_ms: f64, growth_ms: f64) -> Vec<RequestRecord> {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms,
        jitter_ms: 0.1,
        gap_ms: 5.0,
        tokens: 5,
        n: N,
    };
    let mut records = records(backend, block, plan);
    for (i, record) in records.iter_mut().enumerate() {
        record.ttft_ms = record.ttft_ms.map(|ttft| ttft + growth_ms * i as f64);
    }
    records
}

/// `a` and `b` with their growths, in as many repeats as there are.
fn report(a: (f64, &[f64]), b: (f64, &[f64])) -> Report {
    let repeats = u32::try_from(a.1.len()).unwrap();
    let mut run = Run::new(&["a", "b"], &[1], repeats);
    for (block, (grow_a, grow_b)) in (0..).zip(a.1.iter().zip(b.1)) {
        run.add(growing("a", block, a.0, *grow_a));
        run.add(growing("b", block, b.0, *grow_b));
    }
    run.report()
}

#[test]
fn a_winner_that_gets_worse_while_it_is_measured_wins_nothing() {
    let report = report((10.0, &[1.0, 1.0, 1.0]), (200.0, &[0.0; 3]));
    let row = report.row("a", &AT_ONE).unwrap();
    let unsteady = row.unsteady[0];
    assert_eq!(unsteady.series, Series::TtftMs);
    assert_eq!((unsteady.repeats, unsteady.of), (3, 3));
    // Groups of three with medians 11.1, 14.4, .. (growth 1, jitter on top): 57 of
    // growth between the first and the last, over a middle of 39.5 and some jitter
    assert!((unsteady.change - 57.0 / 40.0).abs() < 0.05, "{unsteady:?}");
    let ttft = report.comparison("ttft_ms", &AT_ONE).unwrap();
    assert_eq!(
        (ttft.outcome, ttft.reason),
        (Outcome::NoVerdict, Some(Reason::NotSteady))
    );
    // Tokens per second were steady: that verdict is not touched.
    let throughput = report
        .comparison("output_token_throughput", &AT_ONE)
        .unwrap();
    assert_eq!(throughput.outcome, Outcome::Faster);
    let warning = &report.warnings[0];
    assert_eq!(warning.severity, Severity::Critical);
    assert!(
        warning
            .text
            .starts_with("not steady: time to first token rises by 14"),
        "{}",
        warning.text
    );
}

#[test]
fn a_loser_that_gets_worse_loses_all_the_same() {
    let report = report((10.0, &[0.0; 3]), (200.0, &[10.0, 10.0, 10.0]));
    let ttft = report.comparison("ttft_ms", &AT_ONE).unwrap();
    assert_eq!(ttft.outcome, Outcome::Faster);
    assert!(!report.row("b", &AT_ONE).unwrap().unsteady.is_empty());
}

#[test]
fn a_loser_that_gets_better_might_have_won() {
    let report = report((10.0, &[0.0; 3]), (700.0, &[-10.0, -10.0, -10.0]));
    let ttft = report.comparison("ttft_ms", &AT_ONE).unwrap();
    assert_eq!(ttft.reason, Some(Reason::NotSteady));
}

#[test]
fn two_that_are_equal_but_move_are_not_called_equal() {
    let report = report((10.0, &[1.0; 3]), (10.0, &[1.0; 3]));
    let ttft = report.comparison("ttft_ms", &AT_ONE).unwrap();
    assert_eq!(ttft.reason, Some(Reason::NotSteady));
}

#[test]
fn one_repeat_of_three_that_moves_is_ignored() {
    let report = report((10.0, &[1.0, 0.0, 0.0]), (200.0, &[0.0; 3]));
    assert!(report.row("a", &AT_ONE).unwrap().unsteady.is_empty());
}

#[test]
fn level_rows_with_a_fifth_of_scatter_are_taken_for_a_trend_in_one_of_a_hundred() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut row = || -> Vec<f64> { (0..20).map(|_| rng.random_range(65.0..135.0)).collect() };
    let found = (0..2000)
        .filter(|_| trend(&row()).is_some_and(|trend| trend.matters(1)))
        .count();
    // 20 are expected; beyond 34 lies one run of a thousand (binomial, 1 %)
    assert!(found <= 34, "{found} of 2,000");
}

/// How many of 1,000 rows that rise by `change` and scatter by a twentieth have a trend
/// that matters where so many repeats are known.
fn found_of_slope(change: f64, repeats: usize) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut row = || -> Vec<f64> {
        let noise = |i: i32| change * 5.0 * f64::from(i) + 5.0 * rng.random_range(-1.7..1.7);
        (0..20).map(noise).map(|value| 100.0 + value).collect()
    };
    let matters = |trend: inferbench_model::stats::trend::Trend| trend.matters(repeats);
    (0..1000)
        .filter(|_| trend(&row()).is_some_and(matters))
        .count()
}

#[test]
fn a_slope_in_a_twentieth_of_scatter_is_found_the_oftener_the_more_repeats_there_are() {
    // one repeat alone must be five times as sure; two of three are enough, so that 84 %
    // of repeats are 3 * 0.84^2 - 2 * 0.84^3 = 93 % of levels
    let (fifth, half) = (found_of_slope(0.2, 3), found_of_slope(0.5, 1));
    assert!(fifth >= 820, "{fifth} of 1,000");
    assert!(half >= 850, "{half} of 1,000");
}
