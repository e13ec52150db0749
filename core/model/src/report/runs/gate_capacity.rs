//! The gate over what backends bear: each against the same backend of the baseline.
//!
//! A capacity is known between a load that held in every repeat and one that broke in every
//! repeat. It is worse by at least what lies between this one's upper edge and the
//! baseline's lower one, and by at most what lies between the other two.

use crate::config::{Level, Rate, SearchOver};
use crate::report::figures::capacity::Capacity;
use crate::report::runs_data::{CAPACITY, GateCheck, GateState};
use crate::report::verdict::compare::Reason;

/// One check for each pair of labels, a backend's and its baseline's.
pub(super) fn checks(all: &[Capacity], pairs: &[(String, String)], limit: f64) -> Vec<GateCheck> {
    let named = |label: &String| all.iter().find(|own| own.backend == *label);
    let each = pairs.iter().filter_map(|(label, baseline)| {
        let was = named(baseline)?;
        Some(check(label, named(label), was, limit))
    });
    each.collect()
}

fn check(label: &str, is: Option<&Capacity>, was: &Capacity, limit: f64) -> GateCheck {
    let level = level(was.over, was.low.or(was.high).unwrap_or(1.0));
    let worse = is.map(|is| Worse::between(is, was)).unwrap_or_default();
    let few = is.is_none_or(|is| is.repeats.len().min(was.repeats.len()) < 2);
    let state = match (is, few) {
        (None, _) => GateState::Lost,
        (Some(_), true) => GateState::Undecided,
        (Some(_), false) if worse.at_least.is_some_and(|least| least > limit) => {
            GateState::Regressed
        }
        (Some(_), false) if worse.at_most.is_some_and(|most| most <= limit) => GateState::Held,
        _ => GateState::Undecided,
    };
    let has_doubt = |own: &Capacity| own.levels.iter().any(|level| !level.trustworthy);
    GateCheck {
        metric: CAPACITY.to_owned(),
        level,
        backend: label.to_owned(),
        baseline: was.backend.clone(),
        worse_by: worse.typical,
        low: worse.at_least,
        high: worse.at_most,
        state,
        reason: (is.is_some() && few).then_some(Reason::OneRepeat),
        shown_worse: worse.at_least.is_some_and(|least| least > 0.0) && !few,
        blocks_to_decide: None,
        in_doubt: has_doubt(was) || is.is_some_and(has_doubt),
    }
}

/// By how much a capacity is worse, as shares; absent where an end is not known.
#[derive(Default)]
struct Worse {
    typical: Option<f64>,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

impl Worse {
    fn between(is: &Capacity, was: &Capacity) -> Self {
        let by = |is: Option<f64>, was: Option<f64>| Some(1.0 - is? / was?);
        // Where the baseline holds at all that was tried, no more is asked than the same.
        let most_was = was.high.or_else(|| was.low.filter(|_| is.high.is_none()));
        Self {
            typical: by(middle(is), middle(was)),
            at_least: by(is.high, was.low),
            at_most: by(is.low, most_was),
        }
    }
}

fn middle(own: &Capacity) -> Option<f64> {
    match (own.low, own.high) {
        (Some(low), Some(high)) => Some((low * high).sqrt()),
        (low, high) => low.or(high),
    }
}

fn level(over: SearchOver, load: f64) -> Level {
    match over {
        SearchOver::Concurrency => Level::Concurrency(load as u32),
        SearchOver::RequestRate => Level::RequestRate(Rate(load)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::capacity::{RepeatCapacity, SearchEnd};

    fn capacity(backend: &str, low: Option<f64>, high: Option<f64>, repeats: u32) -> Capacity {
        let repeat = |block| RepeatCapacity {
            block,
            holds: low,
            breaks: high,
            end: SearchEnd::Closed,
        };
        Capacity {
            backend: backend.to_owned(),
            over: SearchOver::Concurrency,
            low,
            high,
            limited_by: Vec::new(),
            repeats: (0..repeats).map(repeat).collect(),
            levels: Vec::new(),
            text: String::new(),
        }
    }

    /// A new run with these edges against an old one that holds up to 20 and breaks at 21.
    fn against_20(low: Option<f64>, high: Option<f64>, repeats: u32) -> GateCheck {
        let all = [
            capacity("old", Some(20.0), Some(21.0), 3),
            capacity("new", low, high, repeats),
        ];
        let pairs = [("new".to_owned(), "old".to_owned())];
        checks(&all, &pairs, 0.05).remove(0)
    }

    #[test]
    fn edges_that_lie_apart_by_more_than_the_limit_are_a_regression() {
        // 1 - 18 / 20 is 10 %, 1 - 17 / 21 is 19 %.
        let worse = against_20(Some(17.0), Some(18.0), 3);
        assert_eq!(worse.state, GateState::Regressed);
        assert!((worse.low.unwrap() - 0.1).abs() < 1e-12);
        assert!((worse.high.unwrap() - 4.0 / 21.0).abs() < 1e-12);
        // At least 1 - 20 / 20 = 0 %, at most 1 - 19 / 21 = 9.5 %.
        assert_eq!(
            against_20(Some(19.0), Some(20.0), 3).state,
            GateState::Undecided
        );
        // At most 1 - 20 / 21 = 4.8 %.
        assert_eq!(against_20(Some(20.0), Some(21.0), 3).state, GateState::Held);
        assert_eq!(against_20(Some(40.0), None, 3).state, GateState::Held);
    }

    #[test]
    fn one_repeat_decides_nothing_and_no_answer_is_a_loss() {
        let once = against_20(Some(1.0), Some(2.0), 1);
        assert_eq!(once.state, GateState::Undecided);
        assert_eq!(once.reason, Some(Reason::OneRepeat));
        let all = [capacity("old", Some(20.0), Some(21.0), 3)];
        let pairs = [("new".to_owned(), "old".to_owned())];
        assert_eq!(checks(&all, &pairs, 0.05)[0].state, GateState::Lost);
    }

    #[test]
    fn a_promise_that_breaks_at_once_is_a_regression() {
        let broken = against_20(None, Some(1.0), 3);
        assert_eq!(broken.state, GateState::Regressed);
    }
}
