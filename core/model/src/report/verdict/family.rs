//! What comparisons show together: those of one metric, one for each level.
//!
//! A level makes at most one claim. That one backend is better than several others
//! is claimed if it is shown against each of them at the full level: an
//! intersection-union test (Berger, Technometrics 24 (1982), pages 295 to 300), which
//! needs no correction for their number. Levels are held against each other by Holm
//! (Scandinavian Journal of Statistics 6 (1979), pages 65 to 70), so that a family
//! without a difference shows one in at most a twentieth of all runs.

use super::pairwise::{Alone, Chances, Outcome, Pair, Reason, Shown, margin};
use crate::metrics::Better;
use crate::stats::inference::{CONFIDENCE, Interval, holm, holm_next};

/// What follows for one backend against another, or for the best of a level against
/// all others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// Against the next.
    pub(crate) interval: Option<Interval>,
    pub(crate) shown: Shown,
    /// Why nothing follows, or less than the interval alone would say.
    pub(crate) reason: Option<Reason>,
    /// Places of the others, the next being 0, that it is not shown to be better
    /// than; empty where there is only one.
    pub(crate) not_cleared: Vec<usize>,
    /// Repeats with which it would likely be decided, beside what is open now in
    /// its family; absent if it is decided, or beyond a thousand.
    pub(crate) repeats_to_decide: Option<u32>,
}

/// Share of false claims of one kind: the intervals leave as much on each side.
pub(crate) const TAIL: f64 = (1.0 - CONFIDENCE) / 2.0;

/// A backend against one or several others.
struct Contest {
    /// Against the next, then against the rest.
    against: Vec<Alone>,
}

impl Contest {
    fn new(pairs: &[Pair<'_>]) -> Self {
        Self {
            against: pairs.iter().map(Pair::alone).collect(),
        }
    }

    fn next(&self) -> &Alone {
        &self.against[0]
    }

    /// p value of being better than that one; repeats that are missing show nothing.
    fn first_better(alone: &Alone) -> f64 {
        match alone.reason {
            Some(Reason::OneRepeat) => 1.0,
            _ => alone.chances.first_better,
        }
    }

    /// What it claims, with its p value: of all claims the most likely one.
    fn claim(&self) -> (Shown, f64) {
        let all: Vec<f64> = self.against.iter().map(Self::first_better).collect();
        let of_next = self.next().chances;
        let alone = self.against.len() == 1;
        most_likely(&all, of_next, alone)
    }

    /// Whether it takes a part of what its family may get wrong.
    fn is_tested(&self) -> bool {
        self.next().reason.is_none() && self.against.iter().any(|a| a.interval.is_some())
    }

    fn not_cleared(&self) -> Vec<usize> {
        let open = |at: &usize| Self::first_better(&self.against[*at]) > TAIL;
        let places = 0..self.against.len();
        places
            .filter(|_| self.against.len() > 1)
            .filter(open)
            .collect()
    }

    /// Repeats with which its claim would likely be shown beside the rest of its
    /// family, which leaves it `tail`.
    fn repeats_to_decide(&self, tail: f64) -> Option<u32> {
        let beyond = |interval: &Interval| interval.ratio.ln().abs() - margin();
        let next = self.next().interval?;
        if beyond(&next) <= 0.0 {
            return next.blocks_to_clear(-beyond(&next), tail);
        }
        let open = self.against.iter().filter(|a| Self::first_better(a) > 0.0);
        let each = open.map(|alone| {
            let interval = alone.interval?;
            let distance = beyond(&interval);
            (distance > 0.0).then(|| interval.blocks_to_clear(distance, tail))?
        });
        each.collect::<Option<Vec<u32>>>()?.into_iter().max()
    }
}

/// `all`: p values of being better than each other; `next`: those of the next, which
/// may be `alone` and then be better itself.
fn most_likely(all: &[f64], next: Chances, alone: bool) -> (Shown, f64) {
    let better = all.iter().copied().fold(0.0, f64::max);
    let worse = if alone { next.second_better } else { 1.0 };
    let claims = [
        (Shown::FirstBetter, better),
        (Shown::SecondBetter, worse),
        (Shown::Equivalent, next.equal),
    ];
    let by_p = |a: &(Shown, f64), b: &(Shown, f64)| a.1.total_cmp(&b.1);
    claims.into_iter().min_by(by_p).unwrap_or(claims[0])
}

/// What the contests of one metric show together, in their order; each is the pairs
/// of one backend with others, the next best first.
pub(crate) fn judge(family: &[Vec<Pair<'_>>]) -> Vec<Verdict> {
    let contests: Vec<Contest> = family.iter().map(|pairs| Contest::new(pairs)).collect();
    let tested = contests.iter().filter(|contest| contest.is_tested());
    let claims: Vec<(Shown, f64)> = tested.map(Contest::claim).collect();
    let together = Together::of_claims(&claims);
    let mut of_tested = claims.into_iter().zip(&together.holds);
    let verdicts = contests.iter().zip(family).map(|(contest, pairs)| {
        let (claim, holds) = match contest.is_tested() {
            true => of_tested.next().map(|(claim, holds)| (claim, *holds)),
            false => None,
        }
        .unwrap_or_else(|| (contest.claim(), contest.claim().1 == 0.0));
        let (shown, reason) = match contest.next().reason {
            Some(reason) => (Shown::Nothing, Some(reason)),
            None => shown_together(claim, holds),
        };
        let is_open = shown == Shown::Inconclusive;
        let moved = shown == Shown::Equivalent && pairs.iter().take(1).any(Pair::has_moved);
        Verdict {
            interval: contest.next().interval,
            shown: if moved { Shown::Nothing } else { shown },
            reason: if moved {
                Some(Reason::NotSteady)
            } else {
                reason
            },
            not_cleared: if is_open {
                contest.not_cleared()
            } else {
                Vec::new()
            },
            repeats_to_decide: is_open
                .then(|| contest.repeats_to_decide(together.next_tail))
                .flatten(),
        }
    });
    verdicts.collect()
}

/// The same of pairs.
pub(crate) fn judge_pairs<'r>(family: impl IntoIterator<Item = Pair<'r>>) -> Vec<Verdict> {
    let each: Vec<Vec<Pair<'r>>> = family.into_iter().map(|pair| vec![pair]).collect();
    judge(&each)
}

/// What intervals of first to second show, as levels of one metric.
#[must_use]
pub fn outcomes(intervals: &[Interval], better: Better) -> Vec<Outcome> {
    let claim = |interval: &Interval| {
        let chances = Chances::from_interval(interval, better);
        most_likely(&[chances.first_better], chances, true)
    };
    let claims: Vec<(Shown, f64)> = intervals.iter().map(claim).collect();
    let together = Together::of_claims(&claims);
    let each = claims.into_iter().zip(together.holds);
    each.map(|(claim, holds)| shown_together(claim, holds).0.into())
        .collect()
}

/// What is left of a claim beside the rest of its family.
fn shown_together((claim, p): (Shown, f64), holds: bool) -> (Shown, Option<Reason>) {
    if holds {
        (claim, None)
    } else if p <= TAIL {
        (Shown::Inconclusive, Some(Reason::SeveralLevels))
    } else {
        (Shown::Inconclusive, None)
    }
}

/// As the best against the next, who cannot be faster.
impl From<Shown> for Outcome {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::FirstBetter => Self::Faster,
            Shown::Equivalent => Self::Equivalent,
            Shown::SecondBetter | Shown::Inconclusive => Self::Inconclusive,
            Shown::Nothing => Self::NoVerdict,
        }
    }
}

/// Which tests of a family hold at once (Holm).
pub(crate) struct Together {
    /// For each test, in its order.
    pub(crate) holds: Vec<bool>,
    /// The tail that the next test would have to clear.
    pub(crate) next_tail: f64,
}

impl Together {
    pub(crate) fn of_p_values(p_values: &[f64]) -> Self {
        let holds = holm(p_values, TAIL);
        Self {
            next_tail: holm_next(&holds, TAIL),
            holds,
        }
    }

    fn of_claims(claims: &[(Shown, f64)]) -> Self {
        let p_values: Vec<f64> = claims.iter().map(|(_, p)| *p).collect();
        Self::of_p_values(&p_values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::inference::paired_ratio;

    /// Two repeats whose mean ratio is `ratio` and whose interval reaches from it by
    /// the factor `by`.
    fn interval(ratio: f64, by: f64) -> Interval {
        // half the interval is 12.706 (t with one degree, table) times the error,
        // which is half the distance of two values
        let off = by.ln() / 12.706_205;
        let pair = |sign: f64| ((ratio.ln() + sign * off).exp(), 1.0);
        paired_ratio(&[pair(1.0), pair(-1.0)]).unwrap()
    }

    #[test]
    fn only_an_interval_beyond_the_margin_is_better() {
        let outcome = |ratio, by, better| outcomes(&[interval(ratio, by)], better)[0];
        let higher = |ratio, by| outcome(ratio, by, Better::Higher);
        // from 1.0305 on, and from 1.0295 on
        assert_eq!(higher(1.0305 * 1.5, 1.5), Outcome::Faster);
        assert_eq!(higher(1.0295 * 1.5, 1.5), Outcome::Inconclusive);
        assert_eq!(higher(1.0, 1.02), Outcome::Equivalent);
        assert_eq!(higher(0.96, 1.06), Outcome::Inconclusive);
        let lower = |ratio, by| outcome(ratio, by, Better::Lower);
        // 1 / 1.03 is 0.9709
        assert_eq!(lower(0.970 / 1.4, 1.4), Outcome::Faster);
        assert_eq!(lower(0.972 / 1.4, 1.4), Outcome::Inconclusive);
    }

    #[test]
    fn one_of_several_levels_is_equal_only_if_it_is_so_for_all_together() {
        // the ends lie just within 3 %: p is just below 0.025 alone, and must be
        // below 0.025 / 2 beside a level that shows nothing
        let near = interval(1.0, 1.029);
        assert_eq!(outcomes(&[near], Better::Higher), [Outcome::Equivalent]);
        let open = interval(1.0, 3.0);
        let both = outcomes(&[near, open], Better::Higher);
        assert_eq!(both, [Outcome::Inconclusive; 2]);
    }
}
