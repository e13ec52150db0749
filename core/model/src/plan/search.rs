//! Which load a search measures next. Every decision follows from what was measured
//! before it, so that a run can go on where it was cut off, and an auditor can make each
//! decision again.

use crate::config::{SearchConfig, SearchOver};

/// What is known of the edge between loads that hold and loads that break.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bracket {
    /// The largest load that held below every one that broke.
    pub holds: Option<f64>,
    /// The smallest load that broke.
    pub breaks: Option<f64>,
}

/// One load that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Requests in flight, or requests per second.
    pub load: f64,
    /// Whether the promise held.
    pub holds: bool,
    /// How long it was measured, s.
    pub seconds: f64,
}

/// What a search does next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// This load is measured.
    Measure(f64),
    /// It has closed in, or there is nothing more to try.
    Closed,
    /// The time that it may take is over.
    OutOfTime,
}

/// Growth while nothing has broken.
const GROWTH: f64 = 2.0;
/// First step away from an edge that an earlier repeat has found.
const FIRST_STEP: f64 = 1.25;
/// Share of the time that the first of several repeats may take: it has to find the edge,
/// the others only look at it again.
const FIRST_SHARE: f64 = 0.5;

impl Bracket {
    /// What these trials show.
    #[must_use]
    pub fn from_trials(trials: &[Trial]) -> Self {
        let broke = trials.iter().filter(|trial| !trial.holds);
        let breaks = broke.map(|trial| trial.load).min_by(f64::total_cmp);
        let below = |load: f64| breaks.is_none_or(|breaks| load < breaks);
        let held = trials
            .iter()
            .filter(|trial| trial.holds && below(trial.load));
        Self {
            holds: held.map(|trial| trial.load).max_by(f64::total_cmp),
            breaks,
        }
    }

    /// Whether there is no load to try between the two that would tell more.
    fn is_closed(&self, search: &SearchConfig) -> bool {
        let Some((holds, breaks)) = self.holds.zip(self.breaks) else {
            return false;
        };
        let is_near = breaks <= holds * (1.0 + search.tolerance.0);
        let is_next = search.over == SearchOver::Concurrency && breaks - holds <= 1.0;
        is_near || is_next
    }
}

/// The next load of a start: `trials` are its own so far, `before` is what the repeat
/// before has found, `spent_s` the time that the backend was measured in earlier repeats,
/// `of_repeats` this repeat, from 0, and how many there are.
#[must_use]
pub fn next(
    search: &SearchConfig,
    before: Option<Bracket>,
    trials: &[Trial],
    (spent_s, of_repeats): (f64, (u32, u32)),
) -> Step {
    let step = next_load(search, before, trials);
    let Step::Measure(load) = step else {
        return step;
    };
    if trials.iter().any(|trial| trial.load == load) {
        // Rounding has brought it back to one that is known.
        return Step::Closed;
    }
    let own_s: f64 = trials.iter().map(|trial| trial.seconds).sum();
    let longest_s = trials.iter().map(|trial| trial.seconds).fold(0.0, f64::max);
    let limit_s = search
        .budget
        .map(|budget| budget.as_s() * share_until(of_repeats));
    match limit_s {
        // The first load of a run is measured in any case.
        Some(limit_s) if spent_s + own_s > 0.0 && spent_s + own_s + longest_s > limit_s => {
            Step::OutOfTime
        }
        _ => step,
    }
}

/// Share of the budget that may be spent by the end of this repeat.
fn share_until((repeat, repeats): (u32, u32)) -> f64 {
    match repeats {
        0 | 1 => 1.0,
        _ => {
            let others = f64::from(repeat) / f64::from(repeats - 1);
            FIRST_SHARE + (1.0 - FIRST_SHARE) * others
        }
    }
}

fn next_load(search: &SearchConfig, before: Option<Bracket>, trials: &[Trial]) -> Step {
    let known = before.unwrap_or_default();
    let found = Bracket::from_trials(trials);
    let least = search.rounded(search.from);
    let most = search.rounded(search.to);
    // A backend's own limit may lie below `from`.
    let within = |load: f64| load.max(search.from).min(search.to);
    let measure = |load: f64| Step::Measure(search.rounded(within(load)));
    match (found.holds, found.breaks) {
        (None, None) => measure(known.holds.or(known.breaks).unwrap_or(search.from)),
        (Some(holds), None) if holds >= most => Step::Closed,
        (Some(holds), None) => match known.breaks.filter(|breaks| *breaks > holds) {
            Some(breaks) => measure(breaks),
            None => measure(above(search, holds, steps(trials, true, before))),
        },
        (None, Some(breaks)) if breaks <= least => Step::Closed,
        (None, Some(breaks)) => measure(below(search, breaks, steps(trials, false, before))),
        (Some(_), Some(_)) if found.is_closed(search) => Step::Closed,
        (Some(holds), Some(breaks)) => measure((holds * breaks).sqrt()),
    }
}

/// How far a step goes that follows others in the same direction. Away from an edge that is
/// known it is small at first: going up, both sides of that edge have held by then.
fn steps(trials: &[Trial], holds: bool, before: Option<Bracket>) -> f64 {
    let same = trials
        .iter()
        .rev()
        .take_while(|trial| trial.holds == holds)
        .count();
    let looks = if holds { 2 } else { 1 };
    match before {
        None => GROWTH,
        Some(_) => FIRST_STEP
            .powi(1 << same.saturating_sub(looks).min(4))
            .min(GROWTH),
    }
}

/// A load above one that holds: by the factor, and by 1 at least.
fn above(search: &SearchConfig, holds: f64, factor: f64) -> f64 {
    match search.over {
        SearchOver::Concurrency => (holds * factor).max(holds + 1.0),
        SearchOver::RequestRate => holds * factor,
    }
}

fn below(search: &SearchConfig, breaks: f64, factor: f64) -> f64 {
    match search.over {
        SearchOver::Concurrency => (breaks / factor).min(breaks - 1.0),
        SearchOver::RequestRate => breaks / factor,
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use serde_json::json;

    use super::*;

    fn search(over: &str, more: serde_json::Value) -> SearchConfig {
        let mut json = json!({"over": over, "slo": {"ttft_ms": {"p50": 1}}});
        let fields = more.as_object().unwrap().clone();
        json.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(json).unwrap()
    }

    /// The loads of one start, each measured for a second.
    fn trials(
        search: &SearchConfig,
        before: Option<Bracket>,
        holds: &mut dyn FnMut(f64) -> bool,
    ) -> Vec<Trial> {
        let mut trials = Vec::new();
        while let Step::Measure(load) = next(search, before, &trials, (0.0, (0, 1))) {
            assert!(trials.len() < 60, "{trials:?}");
            trials.push(Trial {
                load,
                holds: holds(load),
                seconds: 1.0,
            });
        }
        trials
    }

    fn loads(trials: &[Trial]) -> Vec<f64> {
        trials.iter().map(|trial| trial.load).collect()
    }

    #[test]
    fn it_doubles_until_it_breaks_and_closes_in() {
        let search = search("concurrency", json!({}));
        let found = trials(&search, None, &mut |load| load <= 12.0);
        // 11.3 is 11, 13.3 is 13; 12 and 13 are neighbours.
        assert_eq!(loads(&found), [1.0, 2.0, 4.0, 8.0, 16.0, 11.0, 13.0, 12.0]);
        let edge = Bracket::from_trials(&found);
        assert_eq!((edge.holds, edge.breaks), (Some(12.0), Some(13.0)));
    }

    #[test]
    fn a_later_repeat_looks_at_both_sides_of_the_edge() {
        let search = search("concurrency", json!({}));
        let before = Some(Bracket {
            holds: Some(12.0),
            breaks: Some(13.0),
        });
        assert_eq!(
            loads(&trials(&search, before, &mut |load| load <= 12.0)),
            [12.0, 13.0]
        );
        // This server bears a little less, and that one a little more.
        let less = trials(&search, before, &mut |load| load <= 10.0);
        assert_eq!(loads(&less), [12.0, 10.0, 11.0]);
        let more = trials(&search, before, &mut |load| load <= 15.0);
        assert_eq!(loads(&more), [12.0, 13.0, 16.0, 14.0, 15.0]);
    }

    #[test]
    fn ends_of_the_range_end_it() {
        let search = search("request_rate", json!({"from": 2, "to": 20}));
        assert_eq!(loads(&trials(&search, None, &mut |_| false)), [2.0]);
        assert_eq!(
            loads(&trials(&search, None, &mut |_| true)),
            [2.0, 4.0, 8.0, 16.0, 20.0]
        );
    }

    #[test]
    fn a_range_that_ends_below_its_beginning_has_one_load() {
        let search = search("request_rate", json!({"from": 8, "to": 2}));
        for holds in [false, true] {
            assert_eq!(loads(&trials(&search, None, &mut |_| holds)), [2.0]);
        }
    }

    #[test]
    fn a_load_that_fails_alone_is_the_edge() {
        let search = search("concurrency", json!({}));
        let found = trials(&search, None, &mut |load| load != 8.0);
        let edge = Bracket::from_trials(&found);
        assert_eq!((edge.holds, edge.breaks), (Some(7.0), Some(8.0)));
    }

    #[test]
    fn time_that_is_over_ends_it_and_the_first_repeat_has_half() {
        let search = search("concurrency", json!({"budget": "10s"}));
        let mut trials = Vec::new();
        while let Step::Measure(load) = next(&search, None, &trials, (0.0, (0, 3))) {
            trials.push(Trial {
                load,
                holds: true,
                seconds: 1.0,
            });
        }
        assert_eq!(loads(&trials), [1.0, 2.0, 4.0, 8.0, 16.0]);
        assert_eq!(next(&search, None, &trials, (0.0, (0, 3))), Step::OutOfTime);
        // A budget of less than one load still measures one.
        let short = self::search("concurrency", json!({"budget": "1ms"}));
        assert_eq!(next(&short, None, &[], (0.0, (0, 1))), Step::Measure(1.0));
    }

    /// A server that breaks from `edge` on, but by chance a little sooner or later.
    fn noisy(edge: f64, scatter: f64, rng: &mut ChaCha8Rng) -> impl FnMut(f64) -> bool + '_ {
        move |load| {
            let sum: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
            load <= edge * (1.0 + scatter * (sum - 6.0))
        }
    }

    #[test]
    fn a_server_that_is_slower_coming_down_gets_an_edge_that_holds_both() {
        let search = search("concurrency", json!({}));
        // It bears 12, but once it was given more only 8 until it is started again.
        let fresh = || {
            let mut most = 0.0_f64;
            move |load: f64| {
                let holds = load <= if most > 12.0 { 8.0 } else { 12.0 };
                most = most.max(load);
                holds
            }
        };
        let first = trials(&search, None, &mut fresh());
        assert_eq!(loads(&first), [1.0, 2.0, 4.0, 8.0, 16.0, 11.0, 9.0]);
        let first = Bracket::from_trials(&first);
        assert_eq!((first.holds, first.breaks), (Some(8.0), Some(9.0)));
        // On a fresh server that edge holds: the repeat goes up, and finds the other one.
        let second = trials(&search, Some(first), &mut fresh());
        let second = Bracket::from_trials(&second);
        assert_eq!((second.holds, second.breaks), (Some(11.0), Some(12.0)));
    }

    #[test]
    fn on_a_noisy_machine_the_edge_lies_between_what_always_holds_and_what_always_breaks() {
        let search = search("request_rate", json!({"to": 200}));
        let mut around = 0;
        for seed in 0..100 {
            let mut rng = ChaCha8Rng::seed_from_u64(7000 + seed);
            let edge = 200.0_f64.powf(rng.random::<f64>() * 0.8 + 0.1);
            // Ten times as much as above.
            let mut server = noisy(edge, 0.1, &mut rng);
            let (mut low, mut high, mut before) = (f64::MAX, 0.0_f64, None);
            for _ in 0..3 {
                let bracket = Bracket::from_trials(&trials(&search, before, &mut server));
                low = low.min(bracket.holds.unwrap_or(0.0));
                high = high.max(bracket.breaks.unwrap_or(f64::MAX));
                before = Some(bracket);
            }
            around += u32::from(low <= 1.05 * edge && edge <= 1.05 * high);
        }
        assert!(around >= 80, "{around}");
    }

    #[test]
    fn the_edge_is_found_within_the_tolerance_at_a_third_of_a_sweep() {
        let search = search("request_rate", json!({"to": 200}));
        // A sweep in steps of the tolerance: ln 200 / ln 1.05 levels.
        let sweep = (200.0_f64.ln() / 1.05_f64.ln()).floor();
        let mut found = 0;
        for seed in 0..100 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let edge = 200.0_f64.powf(rng.random::<f64>() * 0.9 + 0.05);
            let mut server = noisy(edge, 0.01, &mut rng);
            let mut before = None;
            let (mut low, mut high, mut measured) = (f64::MAX, 0.0_f64, 0);
            for _ in 0..3 {
                let own = trials(&search, before, &mut server);
                measured += own.len();
                let bracket = Bracket::from_trials(&own);
                low = low.min(bracket.holds.unwrap());
                high = high.max(bracket.breaks.unwrap());
                before = Some(bracket);
            }
            assert!(
                measured as f64 <= sweep / 3.0,
                "{measured} of {sweep} at {edge}"
            );
            let is_near = |load: f64| (load / edge - 1.0).abs() <= 0.07;
            found += u32::from(is_near(low) && is_near(high));
        }
        assert!(found >= 95, "{found}");
    }
}
