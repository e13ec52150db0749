//! Which load is measured next to see where the curve of throughput over load bends: twice
//! as much until it is saturated, then closer where it bends most. Every decision follows
//! from what was measured before it.

use super::search::Step;
use crate::config::SearchConfig;

/// Twice the load gives less than so much more throughput where a backend is saturated.
const STILL_GROWS: f64 = 1.1;
/// Loads between those that doubling gives.
const CLOSER_LOOKS: usize = 3;

/// A load that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Requests in flight, or requests per second.
    pub load: f64,
    /// Output tokens per second; `None` if there is none.
    pub throughput: Option<f64>,
}

/// The next load of a start: `points` are its own so far, in order, `before` the loads of
/// the repeat before it, which are measured again.
#[must_use]
pub fn next(search: &SearchConfig, before: Option<&[f64]>, points: &[CurvePoint]) -> Step {
    if let Some(before) = before {
        let is_open = |load: &&f64| points.iter().all(|point| point.load != **load);
        let open = before.iter().find(is_open);
        return open.map_or(Step::Closed, |load| Step::Measure(*load));
    }
    let doublings = doublings(points);
    let Some(last) = doublings.last() else {
        return Step::Measure(search.rounded(search.from));
    };
    let most = search.rounded(search.to);
    if !is_saturated(doublings) && last.load < most {
        let twice = search.rounded((last.load * 2.0).min(search.to));
        return Step::Measure(twice);
    }
    if points.len() - doublings.len() >= CLOSER_LOOKS {
        return Step::Closed;
    }
    closer(search, points).map_or(Step::Closed, Step::Measure)
}

/// The loads up to the first that is not larger than the one before it.
fn doublings(points: &[CurvePoint]) -> &[CurvePoint] {
    let falls = points
        .windows(2)
        .position(|pair| pair[1].load < pair[0].load);
    &points[..falls.map_or(points.len(), |at| at + 1)]
}

/// Whether the last load gave hardly more than the one before it, or nothing.
fn is_saturated(points: &[CurvePoint]) -> bool {
    match points {
        [.., before, last] => {
            let grown = last.throughput.zip(before.throughput);
            grown.is_none_or(|(last, before)| last < STILL_GROWS * before)
        }
        [only] => only.throughput.is_none(),
        [] => false,
    }
}

/// The middle, by ratio, of the wider gap beside the point where the curve bends most on
/// logarithmic axes.
fn closer(search: &SearchConfig, points: &[CurvePoint]) -> Option<f64> {
    let known = points.iter().filter_map(|point| {
        let throughput = point.throughput.filter(|value| *value > 0.0)?;
        Some((point.load.ln(), throughput.ln()))
    });
    let mut known: Vec<(f64, f64)> = known.collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let slope = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0);
    let bends = known.windows(3).map(|three| {
        let [a, b, c] = [three[0], three[1], three[2]];
        let bend = slope(a, b) - slope(b, c);
        let left_first = b.0 - a.0 > c.0 - b.0;
        let gaps = if left_first {
            [(a, b), (b, c)]
        } else {
            [(b, c), (a, b)]
        };
        (bend, gaps)
    });
    let mut bends: Vec<_> = bends.collect();
    bends.sort_by(|a, b| b.0.total_cmp(&a.0));
    let gaps = bends.into_iter().flat_map(|(_, gaps)| gaps);
    let mut middles = gaps.map(|(a, b)| search.rounded(((a.0 + b.0) / 2.0).exp()));
    middles.find(|load| points.iter().all(|point| point.load != *load))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn search(over: &str, to: f64) -> SearchConfig {
        serde_json::from_value(json!({"over": over, "find": "bend", "to": to})).unwrap()
    }

    fn loads(search: &SearchConfig, throughput: &dyn Fn(f64) -> Option<f64>) -> Vec<f64> {
        let mut points: Vec<CurvePoint> = Vec::new();
        while let Step::Measure(load) = next(search, None, &points) {
            assert!(points.len() < 40, "{points:?}");
            points.push(CurvePoint {
                load,
                throughput: throughput(load),
            });
        }
        points.into_iter().map(|point| point.load).collect()
    }

    #[test]
    fn levels_lie_from_idle_to_saturated_and_closer_where_the_curve_bends() {
        // Eight slots: throughput grows with the load up to 8, and not beyond.
        let eight = |load: f64| Some(100.0 * load.min(8.0));
        let found = loads(&search("concurrency", 256.0), &eight);
        // 16 gives no more than 8. The bend is at 8: 11 and 6 beside it, then 9 and so on.
        assert_eq!(found[..5], [1.0, 2.0, 4.0, 8.0, 16.0]);
        assert_eq!(found.len(), 8);
        assert!(
            found[5..].iter().all(|load| (5.0..16.0).contains(load)),
            "{found:?}"
        );
        let rates = loads(&search("request_rate", 100.0), &|rate| {
            Some(50.0 * rate.min(11.0))
        });
        // 8 keeps up, 16 gives 11 of 16, 32 no more.
        assert_eq!(rates[..6], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
        assert!(
            rates[6..].iter().all(|rate| (5.0..32.0).contains(rate)),
            "{rates:?}"
        );
    }

    #[test]
    fn a_backend_that_never_saturates_ends_at_the_end_of_the_range() {
        let found = loads(&search("concurrency", 20.0), &|load| Some(load));
        assert_eq!(found[..6], [1.0, 2.0, 4.0, 8.0, 16.0, 20.0]);
    }

    #[test]
    fn a_backend_that_is_saturated_by_one_request_or_fails_takes_few_levels() {
        assert_eq!(
            loads(&search("concurrency", 64.0), &|_| Some(7.0)),
            [1.0, 2.0]
        );
        assert_eq!(loads(&search("concurrency", 64.0), &|_| None), [1.0]);
    }

    #[test]
    fn a_later_repeat_measures_the_same_loads() {
        let search = search("concurrency", 64.0);
        let before = [1.0, 2.0, 4.0, 3.0];
        let mut points = Vec::new();
        while let Step::Measure(load) = next(&search, Some(&before), &points) {
            points.push(CurvePoint {
                load,
                throughput: None,
            });
        }
        let again: Vec<f64> = points.iter().map(|point| point.load).collect();
        assert_eq!(again, before);
    }
}
