//! Steady or not: a stationary queue is, however long its requests wait for each
//! other, and what warms up or slows down is not.

use inferbench_model::facts::record::RequestRecord;
use inferbench_model::report::{Report, Series};
use inferbench_test_support::runs::{Run, Timetable, records};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::draw::{assert_at_least, assert_at_most, normal};

/// Requests before those that are measured: the queue has forgotten its start.
const BEFORE: usize = 1000;

/// Time in a queue with one server, random arrivals and service of 0.5 to 1.5 (Lindley
/// 1952), of `n` requests one after the other.
fn queue(rng: &mut ChaCha8Rng, utilisation: f64, n: usize) -> Vec<f64> {
    let (mut waits, mut times) = (0.0, Vec::with_capacity(n));
    for place in 0..BEFORE + n {
        let service = rng.random_range(0.5..1.5);
        if place >= BEFORE {
            times.push(waits + service);
        }
        let until_next = -(1.0 - rng.random::<f64>()).ln() / utilisation;
        waits = f64::max(0.0, waits + service - until_next);
    }
    times
}

/// A measured cell whose requests, sent one after the other, took these times to their
/// first token.
fn cell(block: u32, times: &[f64]) -> Vec<RequestRecord> {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.1,
        gap_ms: 5.0,
        tokens: 2,
        n: times.len() as u64,
    };
    let mut records = records("a", block, plan);
    for (record, time) in records.iter_mut().zip(times) {
        record.ttft_ms = Some(*time);
        record.itl_ms.clear();
        record.tokens_per_event = None;
    }
    records
}

fn report(cells: Vec<Vec<RequestRecord>>) -> Report {
    let mut run = Run::new(&["a"], &[1], cells.len() as u32);
    cells.into_iter().for_each(|cell| run.add(cell));
    run.report_without_words()
}

/// Whether time to first token is called unsteady, and whether that is left open.
fn called(report: &Report) -> (bool, bool) {
    let row = &report.rows[0];
    let is = |u: &inferbench_model::report::Unsteady| u.series == Series::TtftMs;
    (
        row.unsteady.iter().any(is),
        row.maybe_unsteady.iter().any(is),
    )
}

/// In how many of `of` levels with `repeats` each it is called unsteady, and left open.
fn count(of: usize, repeats: u32, mut times: impl FnMut() -> Vec<f64>) -> (usize, usize) {
    let found = (0..of).map(|_| {
        let cells = (0..repeats).map(|block| cell(block, &times()));
        called(&report(cells.collect()))
    });
    let found: Vec<(bool, bool)> = found.collect();
    let unsteady = found.iter().filter(|(unsteady, _)| *unsteady).count();
    (unsteady, found.iter().filter(|(_, open)| *open).count())
}

#[test]
fn a_stationary_queue_is_called_unsteady_in_at_most_one_of_a_hundred_levels() {
    for (utilisation, n) in [(0.5, 100), (0.8, 100), (0.95, 100), (0.95, 300)] {
        for (repeats, of) in [(1, 120), (3, 40)] {
            let mut rng = ChaCha8Rng::seed_from_u64(31);
            let (found, _) = count(of, repeats, || queue(&mut rng, utilisation, n));
            let what = format!("{utilisation} of its capacity, {n} requests, {repeats} repeats");
            assert_at_most(0.01, found, of, &what);
        }
    }
}

#[test]
fn where_a_hundred_requests_cannot_tell_it_is_left_open() {
    let mut rng = ChaCha8Rng::seed_from_u64(32);
    let (_, open) = count(60, 1, || queue(&mut rng, 0.95, 100));
    assert_at_least(0.40, open, 60, "0.95 of its capacity");
    let (_, open) = count(40, 3, || queue(&mut rng, 0.5, 100));
    assert_at_most(0.05, open, 40, "0.5 of its capacity, 3 repeats");
}

/// A hundred requests that scatter by a tenth, whose time changes as `course` says over
/// the window.
fn changing(rng: &mut ChaCha8Rng, course: fn(f64) -> f64) -> Vec<f64> {
    let one = |i: u32| course(f64::from(i) / 99.0) * (0.1 * normal(rng)).exp();
    (0..100).map(one).collect()
}

#[test]
fn what_rises_or_warms_up_is_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(33);
    let rising = |share: f64| 1.0 + 0.3 * share;
    let (found, _) = count(50, 3, || changing(&mut rng, rising));
    assert_at_least(0.95, found, 50, "a rise of 30 %, 3 repeats");
    let (found, _) = count(50, 1, || changing(&mut rng, |share| 1.0 + share));
    assert_at_least(0.80, found, 50, "a rise to the double, 1 repeat");
    let warming = |share: f64| 1.0 + (-share / 0.15).exp();
    let (found, open) = count(50, 3, || changing(&mut rng, warming));
    assert_at_least(0.70, found, 50, "the double at first, 3 repeats");
    assert_at_least(0.95, found + open, 50, "the double at first, 3 repeats");
}
