//! The answer in plain words: sentences made from rules, most important first.

use indexmap::IndexMap;

use super::Report;
use super::compare::{Comparison, MARGIN, Outcome, Reason};
use super::number::{three_digits, with_unit};
use super::wording::{at_levels, listed};
use crate::config::Level;

/// Metrics that decide who serves fastest; the second where no server counts tokens.
const THROUGHPUT: [&str; 2] = ["output_token_throughput", "request_throughput"];

/// The sentences of a report whose rows and comparisons are final.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let measured = report.measured();
    let mut said = match measured.as_slice() {
        [] => nothing(report),
        [only] => alone(report, only),
        _ => contest(report),
    };
    if let (Some(prefix), Some(first)) = (simulated(report), said.first_mut()) {
        *first = format!("{prefix}: {first}");
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
        Some("Simulated, says nothing about real backends".to_owned())
    } else {
        Some(format!(
            "Partly simulated ({}), says nothing about {}",
            labels.join(", "),
            if labels.len() == 1 { "it" } else { "them" }
        ))
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
        return failure.cause.trim_end_matches('.').to_owned();
    }
    let mut failed = 0;
    let mut skipped = None;
    for row in report.rows.iter().filter(|row| row.backend == label) {
        failed += row.counts.failed;
        skipped = skipped.or(row.absence.as_deref().filter(|_| row.blocks.is_empty()));
    }
    if failed > 0 {
        let reasons: Vec<String> = report
            .request_failures
            .iter()
            .filter(|failure| failure.backend == label)
            .map(|failure| format!("{} {}", failure.count, failure.reason))
            .collect();
        return format!("all {failed} requests failed ({})", reasons.join(", "));
    }
    skipped.unwrap_or("it was not measured").to_owned()
}

fn alone(report: &Report, only: &str) -> Vec<String> {
    let head = if report.backends.len() == 1 {
        format!("{only} was measured alone: figures, and nothing to compare them with.")
    } else {
        format!("Only {only} gave results, so there is no comparison.")
    };
    let mut said = vec![head];
    said.extend(figures(report, only));
    said.extend(untrusted(report).map(|mut sentence| {
        capitalise(&mut sentence);
        sentence
    }));
    said
}

/// The best throughput and first token of a backend, as a sentence.
fn figures(report: &Report, label: &str) -> Option<String> {
    let tile = |name: &str| {
        report
            .tiles
            .iter()
            .find(|tile| tile.comparison.metric == name)
    };
    let mut parts = Vec::new();
    if let Some(tile) = tile("output_token_throughput").filter(|t| t.comparison.best == label) {
        let level = at_levels(&report.levels, &[tile.comparison.level]);
        let value = with_unit(tile.comparison.best_value, "output tokens/s");
        parts.push(format!("reaches {value} {level}"));
    }
    if let Some(tile) = tile("ttft_ms").filter(|t| t.comparison.best == label) {
        let level = at_levels(&report.levels, &[tile.comparison.level]);
        let value = with_unit(tile.comparison.best_value, "ms");
        parts.push(format!("its first token comes after {value} (p50) {level}"));
    }
    (!parts.is_empty()).then(|| format!("It {}.", parts.join("; ")))
}

/// What the levels show, sorted by what can be said of them.
#[derive(Default)]
struct Standing<'r> {
    wins: IndexMap<&'r str, Vec<&'r Comparison>>,
    leads: IndexMap<&'r str, Vec<&'r Comparison>>,
    equal: Vec<&'r Comparison>,
    open: Vec<&'r Comparison>,
}

impl<'r> Standing<'r> {
    fn of(comparisons: impl Iterator<Item = &'r Comparison>) -> Self {
        let mut standing = Self::default();
        for comparison in comparisons {
            let best = comparison.best.as_str();
            match (comparison.outcome, comparison.reason) {
                (Outcome::Faster, _) => standing.wins.entry(best).or_default().push(comparison),
                (Outcome::Equivalent, _) => standing.equal.push(comparison),
                (Outcome::Inconclusive, _) => standing.open.push(comparison),
                (_, Some(Reason::OneRepeat)) => {
                    standing.leads.entry(best).or_default().push(comparison);
                }
                _ => {}
            }
        }
        standing
    }
}

fn contest(report: &Report) -> Vec<String> {
    let metric = THROUGHPUT
        .into_iter()
        .find(|metric| report.comparisons.iter().any(|c| c.metric == *metric))
        .unwrap_or(THROUGHPUT[0]);
    let own = report.comparisons.iter().filter(|c| c.metric == metric);
    let standing = Standing::of(own);
    let mut said = Vec::new();
    if standing.wins.is_empty() {
        said.extend(leaders(report, metric, &standing));
    }
    said.extend(winners(report, metric, &standing));
    said.extend(ties(report, &standing));
    let mut without: Vec<String> = [untrusted(report), failing(report, metric)]
        .into_iter()
        .flatten()
        .collect();
    match without.first_mut() {
        Some(first) if said.is_empty() => *first = format!("No verdict: {first}"),
        None if said.is_empty() => {
            said.push("No two backends were measured at the same level: no comparison.".to_owned());
        }
        _ => without.iter_mut().for_each(|sentence| capitalise(sentence)),
    }
    said.extend(without);
    said.extend(first_token(report, metric, &standing));
    said
}

fn winners(report: &Report, metric: &str, standing: &Standing<'_>) -> Vec<String> {
    let model = &report.model;
    match standing.wins.len() {
        0 => Vec::new(),
        1 => {
            let (winner, won) = standing.wins.first().expect("one winner was counted");
            let contested = won.len() + standing.equal.len() + standing.open.len();
            let at = at_levels(&report.levels, &levels_of(won));
            let head = if contested == won.len() && won.len() == report.levels.len() {
                format!("{winner} serves {model} fastest here.")
            } else {
                format!("{winner} serves {model} fastest {at}.")
            };
            let by = by_how_much(won, metric);
            vec![head, format!("It gives {by} {at}.")]
        }
        _ => {
            let parts = standing.wins.iter().map(|(winner, won)| {
                format!("{winner} {}", at_levels(&report.levels, &levels_of(won)))
            });
            let parts: Vec<String> = parts.collect();
            let mut said = vec![format!(
                "Which backend serves {model} fastest changes with the load: {}.",
                listed(&parts)
            )];
            said.extend(standing.wins.iter().map(|(winner, won)| {
                let at = at_levels(&report.levels, &levels_of(won));
                format!("{winner} gives {} {at}.", by_how_much(won, metric))
            }));
            said
        }
    }
}

/// Who has the higher figures where one repeat carries no verdict.
fn leaders(report: &Report, metric: &str, standing: &Standing<'_>) -> Vec<String> {
    if standing.leads.is_empty() {
        return Vec::new();
    }
    let what = measure(metric);
    let parts: Vec<String> = standing
        .leads
        .iter()
        .map(|(leader, led)| {
            let at = at_levels(&report.levels, &levels_of(led));
            format!("{leader} {at} ({} the next)", ratios(led))
        })
        .collect();
    vec![
        "One repeat: figures, no verdict.".to_owned(),
        format!("The most {what} came from {}.", listed(&parts)),
    ]
}

fn ties(report: &Report, standing: &Standing<'_>) -> Vec<String> {
    let margin = format!("{} %", MARGIN * 100.0);
    let mut said = Vec::new();
    let alone = standing.wins.is_empty();
    if !standing.equal.is_empty() {
        let at = at_levels(&report.levels, &levels_of(&standing.equal));
        let who = contenders(&standing.equal);
        said.push(if alone && standing.open.is_empty() {
            format!(
                "{who} serve {} equally fast {at} (within {margin}).",
                report.model
            )
        } else {
            format!("{who} are equally fast {at} (within {margin}).")
        });
    }
    if !standing.open.is_empty() {
        let at = at_levels(&report.levels, &levels_of(&standing.open));
        let who = contenders(&standing.open);
        let mut sentence = format!("{at} the repeats scatter too much to tell {who} apart.");
        if alone && said.is_empty() {
            sentence = format!("No winner could be shown: {sentence}");
        } else {
            capitalise(&mut sentence);
        }
        said.push(sentence);
    }
    said
}

/// Makes the first letter a capital one.
fn capitalise(sentence: &mut str) {
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
}

/// `vllm and sglang` if the comparisons are all of that pair.
fn contenders(comparisons: &[&Comparison]) -> String {
    let mut labels: Vec<&str> = Vec::new();
    for comparison in comparisons {
        for label in std::iter::once(&comparison.best).chain(&comparison.second) {
            if !labels.contains(&label.as_str()) {
                labels.push(label);
            }
        }
    }
    if labels.len() == 2 {
        labels.sort_unstable();
        labels.join(" and ")
    } else {
        "the two best backends".to_owned()
    }
}

/// Without a capital letter.
fn untrusted(report: &Report) -> Option<String> {
    let limited: Vec<Level> = report
        .levels
        .iter()
        .copied()
        .filter(|level| {
            report
                .rows
                .iter()
                .any(|row| row.level == *level && row.client_was_limit)
        })
        .collect();
    (!limited.is_empty()).then(|| {
        let at = at_levels(&report.levels, &limited);
        format!("the client, not a backend, was the limit {at}.")
    })
}

/// Without a capital letter.
fn failing(report: &Report, metric: &str) -> Option<String> {
    let levels: Vec<Level> = report
        .comparisons
        .iter()
        .filter(|c| c.metric == metric && c.reason == Some(Reason::TooManyFailed))
        .map(|c| c.level)
        .collect();
    (!levels.is_empty()).then(|| {
        let at = at_levels(&report.levels, &levels);
        format!("too many requests failed {at}.")
    })
}

/// Said only where another backend answers first than the one that gives most.
fn first_token(report: &Report, metric: &str, standing: &Standing<'_>) -> Option<String> {
    let tile = report
        .tiles
        .iter()
        .find(|t| t.comparison.metric == "ttft_ms")?;
    let comparison = &tile.comparison;
    let most = report
        .tiles
        .iter()
        .find(|t| t.comparison.metric == metric)?;
    let shown = comparison.outcome == Outcome::Faster
        || (comparison.reason == Some(Reason::OneRepeat) && !standing.leads.is_empty());
    (shown && comparison.best != most.comparison.best).then(|| {
        format!(
            "{} answers first: its first token comes after {} (p50) {}.",
            comparison.best,
            with_unit(comparison.best_value, "ms"),
            at_levels(&report.levels, &[comparison.level])
        )
    })
}

fn by_how_much(won: &[&Comparison], metric: &str) -> String {
    format!("{} {}", ratios(won), measure_of_next(metric))
}

fn measure(metric: &str) -> &'static str {
    if metric == THROUGHPUT[0] {
        "output tokens per second"
    } else {
        "requests per second"
    }
}

fn measure_of_next(metric: &str) -> String {
    format!("the {} of the next backend", measure(metric))
}

/// `1.40 times` or `1.40 to 3.40 times`.
fn ratios(comparisons: &[&Comparison]) -> String {
    let ratios = comparisons.iter().filter_map(|comparison| {
        let measured = comparison.interval.map(|interval| interval.ratio);
        measured.or_else(|| Some(comparison.best_value / comparison.second_value?))
    });
    let (low, high) = ratios.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), ratio| {
        (low.min(ratio), high.max(ratio))
    });
    let (low, high) = (three_digits(low), three_digits(high));
    if low == high {
        format!("{low} times")
    } else {
        format!("{low} to {high} times")
    }
}

fn levels_of(comparisons: &[&Comparison]) -> Vec<Level> {
    comparisons
        .iter()
        .map(|comparison| comparison.level)
        .collect()
}
