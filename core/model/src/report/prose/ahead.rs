//! What every repeat shows, apart from what is proven.

use super::wording::{at_levels, in_words};
use crate::report::Report;
use crate::report::verdict::by_outcome::{ByOutcome, levels_of};
use crate::report::verdict::compare::{Comparison, Reason};
use crate::report::verdict::ranking_metric::{RankingMetric, ratios_of_repeats};

/// `vllm was ahead in all repeats at every level, with 2.00 to 40.0 times the output
/// tokens per second of the next backend; two repeats cannot prove it, four likely
/// would.` One for each backend that was ahead so.
pub(crate) fn sentences(
    report: &Report,
    ranking: RankingMetric,
    by_outcome: &ByOutcome<'_>,
) -> Vec<String> {
    let each = by_outcome.ahead.iter().map(|(who, led)| {
        let at = at_levels(&report.levels, &levels_of(led));
        let by = ranking.measured(&ratios_of_repeats(led));
        let proof = unproven(led, report.levels.len());
        format!("{who} was ahead in all repeats {at}, with {by}; {proof}.")
    });
    each.collect()
}

/// `two repeats cannot prove it, four likely would`.
pub(crate) fn unproven(led: &[&Comparison], levels: usize) -> String {
    let repeats = led.iter().filter_map(|c| c.ahead).map(|ahead| ahead.of);
    let repeats = repeats.min().unwrap_or(0);
    let together = led.iter().all(|c| c.reason == Some(Reason::SeveralLevels));
    let what = match together {
        true => format!(" for all {levels} levels together"),
        false => String::new(),
    };
    let enough: Option<Vec<u32>> = led.iter().map(|c| c.blocks_to_decide).collect();
    let enough = enough.and_then(|each| each.into_iter().max());
    let hint = enough.map(|n| format!(", {} likely would", in_words(n as usize)));
    format!(
        "{} repeats cannot prove it{what}{}",
        in_words(repeats),
        hint.unwrap_or_default()
    )
}
