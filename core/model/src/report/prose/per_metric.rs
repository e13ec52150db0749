//! What all levels of one metric show, as one sentence.

use std::collections::BTreeSet;

use super::ahead::unproven;
use crate::config::Level;
use crate::report::prose::wording::at_levels;
use crate::report::verdict::by_outcome::{ByOutcome, contenders, levels_of};
use crate::report::verdict::compare::{Comparison, MARGIN, Reason};
use crate::report::verdict::ranking_metric::{ratios, ratios_of_repeats};
use crate::text::number::three_digits;

/// `vllm leads from concurrency 2 on, by most at concurrency 32: 3.40 times
/// sglang (3.20 to 3.60); undecided at concurrency 1.` Empty if no level has two
/// backends. `levels`: all of the run; `comparisons`: those of one metric.
pub(crate) fn sentence<'r>(
    levels: &[Level],
    comparisons: impl Iterator<Item = &'r Comparison>,
) -> String {
    let contested: Vec<&Comparison> = comparisons.filter(|c| c.second.is_some()).collect();
    let several = names(&contested).len() > 2;
    let by_outcome = ByOutcome::sort(contested.into_iter());
    let mut parts: Vec<String> = Vec::new();
    parts.extend(
        by_outcome
            .wins
            .iter()
            .map(|(who, won)| winner(levels, who, won)),
    );
    for (who, led) in &by_outcome.leads {
        parts.extend(leader(levels, who, led));
    }
    let ahead = by_outcome.ahead.iter();
    parts.extend(ahead.map(|(who, led)| unproven_lead(levels, who, led)));
    if !by_outcome.equal.is_empty() {
        let at = at_levels(levels, &levels_of(&by_outcome.equal));
        let (who, margin) = (contenders(&by_outcome.equal), MARGIN * 100.0);
        let who = if several {
            format!("{who} are ")
        } else {
            String::new()
        };
        parts.push(format!("{who}equal {at} (within {margin} %)"));
    }
    if !by_outcome.unclear.is_empty() {
        let at = at_levels(levels, &levels_of(&by_outcome.unclear));
        parts.push(format!("{at} {}", Reason::SeveralLevels.words()));
    }
    parts.extend(undecided(levels, &by_outcome.open));
    parts.extend(without_verdict(levels, &by_outcome.no_verdict));
    if parts.is_empty() {
        return String::new();
    }
    parts.join("; ") + "."
}

/// Where a backend leads, and by how much where it leads by most.
fn winner(levels: &[Level], who: &str, won: &[&Comparison]) -> String {
    let at = at_levels(levels, &levels_of(won));
    let lead = |c: &&&Comparison| c.interval.map(|interval| interval.ratio.ln().abs());
    let with_ratio = won.iter().filter(|c| lead(c).is_some());
    let by = |a: &&&Comparison, b: &&&Comparison| lead(a).partial_cmp(&lead(b));
    let most = with_ratio.max_by(|a, b| by(a, b).unwrap_or(std::cmp::Ordering::Equal));
    let Some((most, interval)) = most.and_then(|c| Some((c, c.interval?))) else {
        return format!("{who} is the only one that gives any {at}");
    };
    let second = most.second.as_deref().unwrap_or("the next");
    let ratio = three_digits(interval.ratio);
    let by = format!("{ratio} times {second} ({})", interval.within());
    match won {
        [_] => format!("{who} leads {at}: {by}"),
        _ => format!(
            "{who} leads {at}, by most {}: {by}",
            at_levels(levels, &[most.level])
        ),
    }
}

/// Where a backend was ahead in all repeats, which does not prove it.
fn unproven_lead(levels: &[Level], who: &str, led: &[&Comparison]) -> String {
    let at = at_levels(levels, &levels_of(led));
    let (by, proof) = (ratios_of_repeats(led), unproven(led, levels.len()));
    format!("{who} was ahead in all repeats {at} ({by} the next): {proof}")
}

/// Where a backend has the better figure in the only repeat.
fn leader(levels: &[Level], who: &str, led: &[&Comparison]) -> Vec<String> {
    let (near, ahead): (Vec<&Comparison>, _) = led.iter().partition(|c| c.is_near());
    let mut parts = Vec::new();
    if !ahead.is_empty() {
        let at = at_levels(levels, &levels_of(&ahead));
        parts.push(format!(
            "{who} has the better figure {at} ({} the next), from one repeat",
            ratios(&ahead)
        ));
    }
    if !near.is_empty() {
        let at = at_levels(levels, &levels_of(&near));
        let margin = MARGIN * 100.0;
        parts.push(format!("within {margin} % {at}, from one repeat"));
    }
    parts
}

/// The levels whose repeats scatter too much, and how many would decide.
fn undecided(levels: &[Level], open: &[&Comparison]) -> Option<String> {
    if open.is_empty() {
        return None;
    }
    let at = at_levels(levels, &levels_of(open));
    let enough: Option<Vec<u32>> = open.iter().map(|c| c.blocks_to_decide).collect();
    let enough = enough.and_then(|each| each.into_iter().max());
    let hint = enough.map(|n| format!(" ({n} repeats would likely decide)"));
    Some(format!("undecided {at}{}", hint.unwrap_or_default()))
}

/// The levels of which nothing may be said, by reason.
fn without_verdict(levels: &[Level], without: &[&Comparison]) -> Vec<String> {
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in without.iter().filter_map(|c| c.reason) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let of_reason = |reason: Reason| {
        let own = without.iter().filter(|c| c.reason == Some(reason));
        let own: Vec<Level> = own.map(|c| c.level).collect();
        format!("no verdict {}: {}", at_levels(levels, &own), reason.words())
    };
    reasons.into_iter().map(of_reason).collect()
}

/// The backends of which any is best or second.
fn names<'r>(comparisons: &[&'r Comparison]) -> BTreeSet<&'r str> {
    let best = comparisons.iter().map(|c| c.best.as_str());
    let second = comparisons.iter().filter_map(|c| c.second.as_deref());
    best.chain(second).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Outcome;
    use crate::stats::inference::Interval;

    fn at(concurrency: u32, best: &str, second: &str, outcome: Outcome) -> Comparison {
        Comparison {
            metric: "ttft_ms".to_owned(),
            level: Level::Concurrency(concurrency),
            best: best.to_owned(),
            best_value: 10.0,
            second: Some(second.to_owned()),
            second_value: Some(20.0),
            interval: None,
            outcome,
            reason: None,
            not_cleared: Vec::new(),
            ahead: None,
            blocks_to_decide: None,
        }
    }

    fn with_ratio(comparison: Comparison, [low, ratio, high]: [f64; 3]) -> Comparison {
        let interval = Interval {
            ratio,
            low,
            high,
            blocks: 3,
            std_error: 0.1,
            permutation_p: None,
            unpaired: None,
        };
        Comparison {
            interval: Some(interval),
            ..comparison
        }
    }

    fn said(comparisons: &[Comparison]) -> String {
        let levels: Vec<Level> = comparisons.iter().map(|c| c.level).collect();
        sentence(&levels, comparisons.iter())
    }

    #[test]
    fn a_leader_is_named_with_its_widest_lead() {
        use Outcome::{Equivalent, Faster};
        let ahead = |n, best, second, ratio| with_ratio(at(n, best, second, Faster), ratio);
        assert_eq!(
            said(&[
                ahead(1, "hf", "vllm", [0.5, 0.8, 0.9]),
                at(2, "vllm", "hf", Equivalent),
                ahead(4, "vllm", "hf", [0.4, 0.5, 0.6]),
                // less time is better: 0.25 is a wider lead than 0.5
                ahead(8, "vllm", "sglang", [0.2, 0.25, 0.3]),
            ]),
            "hf leads at concurrency 1: 0.800 times vllm (0.500 to 0.900); vllm leads from \
             concurrency 4 on, by most at concurrency 8: 0.250 times sglang (0.200 to 0.300); hf \
             and vllm are equal at concurrency 2 (within 3 %)."
        );
    }

    #[test]
    fn what_cannot_be_said_is_said_with_its_reason() {
        use Outcome::{Inconclusive, NoVerdict};
        let open = |n, blocks| Comparison {
            blocks_to_decide: blocks,
            ..at(n, "a", "b", Inconclusive)
        };
        let without = |n, reason| Comparison {
            reason: Some(reason),
            ..at(n, "a", "b", NoVerdict)
        };
        assert_eq!(
            said(&[
                open(1, Some(5)),
                open(2, Some(7)),
                without(4, Reason::NotSteady),
                without(8, Reason::ClientWasLimit),
                without(16, Reason::ClientWasLimit),
            ]),
            "undecided at concurrency 1 and 2 (7 repeats would likely decide); no verdict at \
             concurrency 4: not steady; no verdict from concurrency 8 on: the client was the limit."
        );
        assert_eq!(
            said(&[at(1, "a", "b", Outcome::Equivalent)]),
            "equal at concurrency 1 (within 3 %)."
        );
        // where one level would take more than a thousand, no number is right
        assert_eq!(
            said(&[open(1, Some(5)), open(2, None)]),
            "undecided at every level."
        );
    }

    #[test]
    fn one_repeat_is_a_figure_and_one_backend_is_nothing() {
        let one = Comparison {
            reason: Some(Reason::OneRepeat),
            ..at(1, "a", "b", Outcome::NoVerdict)
        };
        assert_eq!(
            said(&[one]),
            "a has the better figure at concurrency 1 (0.500 times the next), from one repeat."
        );
        let alone = Comparison {
            second: None,
            reason: Some(Reason::OneBackend),
            ..at(1, "a", "b", Outcome::NoVerdict)
        };
        assert_eq!(said(&[alone]), "");
    }

    #[test]
    fn the_only_one_that_gives_any_has_no_ratio() {
        let only = Comparison {
            second_value: Some(0.0),
            ..at(1, "a", "b", Outcome::Faster)
        };
        assert_eq!(
            said(&[only]),
            "a is the only one that gives any at concurrency 1."
        );
    }
}
