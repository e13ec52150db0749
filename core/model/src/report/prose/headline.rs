//! The answer in plain words: sentences made from rules, most important first.

use super::no_verdict::{
    changed, failing, none_within, partial, unequal, unseen, unsteady, untrusted,
};
use super::{ahead, saturation, tails};
use crate::facts::shard::Partial;
use crate::report::prose::wording::{at_levels, capitalise, changed_files, listed};
use crate::report::runs_data::RunsCompared;
use crate::report::verdict::by_outcome::{ByOutcome, contenders, levels_of};
use crate::report::verdict::compare::{Comparison, MARGIN, Outcome};
use crate::report::verdict::ranking_metric::{RankingMetric, ratios};
use crate::report::{Report, RequestFailure};
use crate::text::number::with_unit;

/// Characters of a failed request's own words that are shown.
const EXAMPLE_CHARS: usize = 200;

/// The sentences of a report whose rows and comparisons are final.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let measured = report.measured();
    let mut said = match measured.as_slice() {
        [] => nothing(report),
        [only] => alone(report, only),
        _ => contest(report),
    };
    let of_runs = report.runs.as_ref().and_then(RunsCompared::headline);
    said.splice(0..0, of_runs);
    if let (Some(prefix), Some(first)) = (simulated(report), said.first_mut()) {
        *first = format!("{prefix}: {}", without_capital(first, report));
    }
    if !report.changed.is_empty() {
        let files = changed_files(&report.changed);
        said.insert(0, format!("Facts were changed after the run: {files}."));
    }
    if let Some(partial) = report.partial {
        let Partial { merged, count } = partial;
        said.insert(0, format!("Partial {merged} of {count} shards."));
    }
    if !measured.is_empty() {
        let absent = report
            .backends
            .iter()
            .filter(|backend| !measured.contains(&backend.label.as_str()));
        said.extend(absent.map(|backend| {
            format!(
                "{} gave no result: {}.",
                backend.label,
                why_absent(report, &backend.label)
            )
        }));
    }
    said
}

fn simulated(report: &Report) -> Option<String> {
    let labels: Vec<&str> = report
        .backends
        .iter()
        .filter(|backend| backend.simulated)
        .map(|backend| backend.label.as_str())
        .collect();
    if labels.is_empty() {
        None
    } else if labels.len() == report.backends.len() {
        Some("Simulated".to_owned())
    } else {
        Some(format!("Partly simulated ({})", labels.join(", ")))
    }
}

/// A sentence as it stands behind a colon; a name stays as it is.
fn without_capital(sentence: &str, report: &Report) -> String {
    let is_name = |label: &str| sentence.starts_with(label);
    let named = report
        .backends
        .iter()
        .any(|backend| is_name(&backend.label));
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) if !named => first.to_lowercase().chain(letters).collect(),
        _ => sentence.to_owned(),
    }
}

fn nothing(report: &Report) -> Vec<String> {
    let reasons = report.backends.iter().map(|backend| {
        let why = why_absent(report, &backend.label);
        format!("{}: {why}.", backend.label)
    });
    let head = match report.backends.as_slice() {
        [only] => format!("{} gave no result.", only.label),
        _ => "No backend gave a result.".to_owned(),
    };
    std::iter::once(head).chain(reasons).collect()
}

/// Why a backend has no successful request, without a final period.
fn why_absent(report: &Report, label: &str) -> String {
    let backend = report.backends.iter().find(|b| b.label == label);
    if let Some(failure) = backend.and_then(|backend| backend.failures.first()) {
        return failure.words();
    }
    let mut failed = 0;
    let mut skipped = None;
    for row in report.rows.iter().filter(|row| row.backend == label) {
        failed += row.counts.failed;
        skipped = skipped.or(row.absence.as_ref().filter(|_| row.blocks.is_empty()));
    }
    if failed > 0 {
        return all_failed(report, label, failed);
    }
    skipped.map_or_else(
        || "it was not measured".to_owned(),
        |absence| absence.text.clone(),
    )
}

/// The reasons, commonest first, and what was said on the first of them.
fn all_failed(report: &Report, label: &str, failed: u64) -> String {
    let own = report.request_failures.iter();
    let mut own: Vec<&RequestFailure> = own.filter(|failure| failure.backend == label).collect();
    own.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    let reasons: Vec<String> = own
        .iter()
        .map(|failure| format!("{} {}", failure.count, failure.reason))
        .collect();
    let mut words = format!("all {failed} requests failed ({})", reasons.join(", "));
    let example = own.first().and_then(|failure| failure.message.as_deref());
    if let Some(example) = example.map(str::trim).filter(|said| !said.is_empty()) {
        let short: String = example.chars().take(EXAMPLE_CHARS).collect();
        let cut = if short.len() < example.len() {
            "…"
        } else {
            ""
        };
        words.push_str(&format!(
            ", for example: {}{cut}",
            short.trim_end_matches('.')
        ));
    }
    words
}

fn alone(report: &Report, only: &str) -> Vec<String> {
    let head = if report.backends.len() == 1 {
        format!("{only} was measured alone: figures, and nothing to compare them with.")
    } else {
        format!("Only {only} gave results, so there is no comparison.")
    };
    let mut said = vec![head];
    said.extend(figures(report, only));
    said.extend(saturation::sentences(report));
    let doubts = [unseen(report), untrusted(report)];
    said.extend(doubts.into_iter().flatten().map(|mut sentence| {
        capitalise(&mut sentence);
        sentence
    }));
    said
}

/// The best throughput or latency and first token of a backend, as a sentence.
fn figures(report: &Report, label: &str) -> Option<String> {
    let ranking = RankingMetric::choose(&report.levels, &report.comparisons);
    let part = |metric: &str| {
        let tile = report
            .tiles
            .iter()
            .find(|tile| tile.comparison.metric == metric && tile.comparison.best == label)?;
        let level = at_levels(&report.levels, &[tile.comparison.level]);
        let value = |unit| with_unit(tile.comparison.best_value, unit);
        Some(match metric {
            "output_token_throughput" => format!("reaches {} {level}", value("output tokens/s")),
            "goodput" => format!("reaches {} within the SLO {level}", value("requests/s")),
            "e2e_from_schedule_ms" => format!(
                "takes {} from planned send to last token (p50) {level}",
                value("ms")
            ),
            _ => format!("its first token comes after {} (p50) {level}", value("ms")),
        })
    };
    let parts: Vec<String> = [ranking.metric(), "ttft_ms"]
        .into_iter()
        .filter_map(part)
        .collect();
    (!parts.is_empty()).then(|| format!("It {}.", parts.join("; ")))
}

fn contest(report: &Report) -> Vec<String> {
    let ranking = RankingMetric::choose(&report.levels, &report.comparisons);
    let metric = ranking.metric();
    let own = report.comparisons.iter().filter(|c| c.metric == metric);
    let by_outcome = ByOutcome::sort(own);
    let mut said = Vec::new();
    if by_outcome.wins.is_empty() {
        said.extend(leaders(report, ranking, &by_outcome));
    }
    said.extend(winners(report, ranking, &by_outcome));
    said.extend(ahead::sentences(report, ranking, &by_outcome));
    let ties = ties(report, ranking, &by_outcome, said.is_empty());
    let has_ties = !ties.is_empty();
    // Between runs the first sentence says it, against the baseline.
    said.extend(ties.into_iter().filter(|_| report.runs.is_none()));
    let reasons = [
        partial(report),
        changed(report),
        unseen(report),
        unequal(report),
        untrusted(report),
        failing(report, metric),
        unsteady(report, metric),
        none_within(report, metric),
    ];
    let mut without: Vec<String> = reasons.into_iter().flatten().collect();
    match without.first_mut() {
        Some(first) if said.is_empty() => *first = format!("No verdict: {first}"),
        None if said.is_empty() && !has_ties => said.push(nothing_compared(report).to_owned()),
        _ => without.iter_mut().for_each(|sentence| capitalise(sentence)),
    }
    said.extend(without);
    said.extend(tails::sentences(report, ranking, &by_outcome));
    said.extend(first_token(report, metric));
    said.extend(saturation::sentences(report));
    said
}

fn nothing_compared(report: &Report) -> &'static str {
    match &report.runs {
        Some(runs) if runs.levels_of_some.len() == report.levels.len() => {
            "No level is one of every run: no comparison over all of them."
        }
        _ => "No two backends were measured at the same level: no comparison.",
    }
}

fn winners(report: &Report, ranking: RankingMetric, by_outcome: &ByOutcome<'_>) -> Vec<String> {
    let (model, best) = (&report.model, ranking.best());
    match by_outcome.wins.len() {
        0 => Vec::new(),
        1 => {
            let (winner, won) = by_outcome.wins.first().expect("one winner was counted");
            let ahead: usize = by_outcome.ahead.values().map(Vec::len).sum();
            let others = ahead + by_outcome.equal.len() + by_outcome.open.len();
            let contested = won.len() + others;
            let at = at_levels(&report.levels, &levels_of(won));
            let head = if contested == won.len() && won.len() == report.levels.len() {
                format!("{winner} serves {model} {best} here.")
            } else {
                format!("{winner} serves {model} {best} {at}.")
            };
            let by = ranking.by_how_much(won);
            vec![head, format!("It {by} {at}.")]
        }
        _ => {
            let parts = by_outcome.wins.iter().map(|(winner, won)| {
                format!("{winner} {}", at_levels(&report.levels, &levels_of(won)))
            });
            let parts: Vec<String> = parts.collect();
            let mut said = vec![format!(
                "Which backend serves {model} {best} changes with the load: {}.",
                listed(&parts)
            )];
            said.extend(by_outcome.wins.iter().map(|(winner, won)| {
                let at = at_levels(&report.levels, &levels_of(won));
                format!("{winner} {} {at}.", ranking.by_how_much(won))
            }));
            said
        }
    }
}

/// Who has the higher figures where one repeat carries no verdict.
fn leaders(report: &Report, ranking: RankingMetric, by_outcome: &ByOutcome<'_>) -> Vec<String> {
    if by_outcome.leads.is_empty() {
        return Vec::new();
    }
    let mut said = vec!["One repeat: figures, no verdict.".to_owned()];
    let (mut parts, mut alike) = (Vec::new(), Vec::new());
    for (leader, led) in &by_outcome.leads {
        let (near, ahead): (Vec<&Comparison>, _) = led.iter().partition(|c| c.is_near());
        alike.extend(near);
        if !ahead.is_empty() {
            let at = at_levels(&report.levels, &levels_of(&ahead));
            parts.push(format!("{leader} {at} ({} the next)", ratios(&ahead)));
        }
    }
    if !parts.is_empty() {
        let lead = ranking.lead();
        said.push(format!("{lead} came from {}.", listed(&parts)));
    }
    if !alike.is_empty() {
        let mut at = at_levels(&report.levels, &levels_of(&alike));
        capitalise(&mut at);
        let margin = MARGIN * 100.0;
        said.push(format!("{at} the best two lie within {margin} %."));
    }
    said
}

/// The levels at which the best two are equal. `alone`: nothing else is said.
fn equals(
    report: &Report,
    ranking: RankingMetric,
    by_outcome: &ByOutcome<'_>,
    alone: bool,
) -> Option<String> {
    let margin = format!("{} %", MARGIN * 100.0);
    let equally = ranking.equally();
    let at = at_levels(&report.levels, &levels_of(&by_outcome.equal));
    let who = contenders(&by_outcome.equal);
    (!by_outcome.equal.is_empty()).then(|| {
        if alone && by_outcome.open.is_empty() {
            let model = &report.model;
            format!("{who} serve {model} {equally} {at} (within {margin}).")
        } else {
            format!("{who} serve {equally} {at} (within {margin}).")
        }
    })
}

/// `first`: nothing is said before.
fn ties(
    report: &Report,
    ranking: RankingMetric,
    by_outcome: &ByOutcome<'_>,
    first: bool,
) -> Vec<String> {
    let alone = by_outcome.wins.is_empty() && first;
    let mut said: Vec<String> = equals(report, ranking, by_outcome, alone)
        .into_iter()
        .collect();
    let mut unshown = Vec::new();
    if !by_outcome.open.is_empty() {
        let at = at_levels(&report.levels, &levels_of(&by_outcome.open));
        let who = contenders(&by_outcome.open);
        unshown.push(format!(
            "{at} the repeats scatter too much to tell {who} apart."
        ));
    }
    unshown.extend(unclear(report, &by_outcome.unclear));
    for mut sentence in unshown {
        if alone && said.is_empty() {
            sentence = format!("No winner could be shown: {sentence}");
        } else {
            capitalise(&mut sentence);
        }
        said.push(sentence);
    }
    said
}

/// What is clear at its own level, and not for all levels together.
fn unclear(report: &Report, by_outcome: &[&Comparison]) -> Option<String> {
    let best = &by_outcome.first()?.best;
    let at = at_levels(&report.levels, &levels_of(by_outcome));
    let who = if by_outcome.iter().all(|c| c.best == *best) {
        best
    } else {
        "one of them"
    };
    Some(format!(
        "{at} {who} was ahead ({} the next), but not so clearly that it holds for all {} levels together.",
        ratios(by_outcome),
        report.levels.len()
    ))
}

/// Said only where another backend answers first than the one that gives most.
fn first_token(report: &Report, metric: &str) -> Option<String> {
    let tile = report
        .tiles
        .iter()
        .find(|t| t.comparison.metric == "ttft_ms")?;
    let comparison = &tile.comparison;
    let most = report
        .tiles
        .iter()
        .find(|t| t.comparison.metric == metric)?;
    let shown = comparison.outcome == Outcome::Faster;
    (shown && comparison.best != most.comparison.best).then(|| {
        let mut at = at_levels(&report.levels, &[comparison.level]);
        capitalise(&mut at);
        format!(
            "{at} {} answers first: its first token comes after {} (p50).",
            comparison.best,
            with_unit(comparison.best_value, "ms")
        )
    })
}
