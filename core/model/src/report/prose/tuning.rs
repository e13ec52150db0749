//! What a tuning has found, in sentences.

use serde_json::Value;

use super::capacity::load_words;
use super::wording::listed;
use crate::config::Objective;
use crate::report::Report;
use crate::report::verdict::effects::{Effect, EffectOutcome};
use crate::report::verdict::pairwise::MARGIN;
use crate::report::verdict::tuning::{PointEnd, TunedPoint, Tuning, TuningEnd, TuningVerdict};
use crate::text::number::{counted, percent, three_digits};

/// Effects that are named in a sentence; the table has them all.
const NAMED: usize = 3;

/// Puts what a tuning has found of each sweep into words.
pub(super) fn write(all: &mut [Tuning]) {
    for tuning in all {
        tuning.text = answer(tuning);
    }
}

/// What was found of each sweep, and what speaks against it; empty without a tuning.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let each = report.tuning.iter().flat_map(|tuning| {
        let answer = std::iter::once(tuning.text.clone());
        answer.chain(mattered(tuning)).chain(against(tuning))
    });
    let mut sentences: Vec<String> = each.collect();
    if report.tuning.iter().any(|tuning| tuning.best.is_some()) {
        let words = "Only the best of those that were tried is known: another load, model or version can have another best.";
        sentences.push(words.to_owned());
    }
    sentences
}

fn answer(tuning: &Tuning) -> String {
    let finalists = || tuning.points.iter().filter(|p| p.end == PointEnd::Finalist);
    let best = tuning.points.first().filter(|_| tuning.best.is_some());
    let Some(best) = best else {
        return format!("{}: no point has a value.", tuning.backend);
    };
    let (names, values): (Vec<String>, Vec<Value>) = best.settings.clone().into_iter().unzip();
    let value = value_words(tuning, best.value.unwrap_or_default());
    let settings = format!("{}, with {value}", settings_words(&names, &values));
    let others = finalists().count().saturating_sub(1);
    let all = counted(tuning.points.len() as u64, "point");
    let of_all = format!("of {all} of {}", tuning.backend);
    let margin = format!("{} %", MARGIN * 100.0);
    match tuning.verdict {
        TuningVerdict::Better => {
            let lows = finalists().filter_map(|point| Some(point.best_against?.low));
            let by = percent(lows.fold(f64::INFINITY, f64::min) - 1.0);
            format!("Best {of_all}: {settings}, {by} or more above what comes next (95 %).")
        }
        TuningVerdict::Equal => format!(
            "The last {} {of_all} are equal within {margin}; first is {settings}.",
            others + 1
        ),
        TuningVerdict::Open => {
            let is_open = |point: &&TunedPoint| {
                point
                    .best_against
                    .is_some_and(|own| own.low <= 1.0 + MARGIN)
            };
            let open = counted(finalists().filter(is_open).count() as u64, "other");
            format!(
                "The most {of_all}: {settings}, but not shown to be better than {open} by more than {margin}."
            )
        }
        TuningVerdict::NoVerdict if best.end == PointEnd::Finalist && others == 0 => {
            format!("The only one {of_all} that was measured in full to the end: {settings}.")
        }
        TuningVerdict::NoVerdict if best.end == PointEnd::Finalist => {
            format!("The most {of_all}: {settings}, in too few repeats for a verdict.")
        }
        TuningVerdict::NoVerdict => {
            format!("The most {of_all} in a short look: {settings}; none was measured in full.")
        }
    }
}

/// Which settings mattered.
fn mattered(tuning: &Tuning) -> Option<String> {
    let is_shown =
        |effect: &&Effect| matches!(effect.outcome, EffectOutcome::Higher | EffectOutcome::Lower);
    let mut shown: Vec<&Effect> = tuning.effects.iter().filter(is_shown).collect();
    shown.sort_by(|a, b| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()));
    if tuning.effects.is_empty() {
        return None;
    }
    if shown.is_empty() {
        return Some(format!(
            "{}: no setting was shown to matter.",
            tuning.backend
        ));
    }
    let words = shown.iter().take(NAMED).map(|effect| {
        format!(
            "{} gives {} times what {} does",
            settings_words(&effect.settings, &effect.values),
            three_digits(effect.ratio),
            values_words(&effect.against)
        )
    });
    let words: Vec<String> = words.collect();
    Some(format!("{}: {}.", tuning.backend, listed(&words)))
}

/// What speaks against the answer.
fn against(tuning: &Tuning) -> Vec<String> {
    let backend = &tuning.backend;
    let ended = |end| tuning.points.iter().filter(move |point| point.end == end);
    let mut said = Vec::new();
    match tuning.end {
        TuningEnd::Done => {}
        TuningEnd::OutOfTime => said.push(format!("{backend}: the budget was spent.")),
        TuningEnd::CutOff => said.push(format!("{backend}: the tuning was cut off.")),
    }
    let unseen = ended(PointEnd::NotReached).count();
    if unseen > 0 {
        let points = counted(unseen as u64, "point");
        said.push(format!("{backend}: {points} had no look."));
    }
    let nothing = ended(PointEnd::NoValue).count();
    if nothing > 0 {
        let points = counted(nothing as u64, "point");
        said.push(match tuning.objective {
            Objective::TokensPerJoule => {
                format!("{backend}: no energy is known of {points}, or the promise does not hold.")
            }
            _ => format!("{backend}: {points} kept the promise at nothing that was measured."),
        });
    }
    let failed: Vec<&TunedPoint> = ended(PointEnd::Failed).collect();
    if let Some(first) = failed.first() {
        let why = first.failure.as_deref().unwrap_or("unknown");
        let more = match failed.len() {
            1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        said.push(format!(
            "{} did not start or did not last{more}: {why}.",
            first.backend
        ));
    }
    let rounds = || tuning.points.iter().flat_map(|point| &point.rounds);
    let doubtful = rounds().filter(|round| !round.trustworthy).count();
    if doubtful > 0 {
        let starts = counted(rounds().count() as u64, "start");
        said.push(format!(
            "{backend}: measurements of {doubtful} of {starts} cannot be trusted, see the warnings."
        ));
    }
    said
}

fn value_words(tuning: &Tuning, value: f64) -> String {
    match (tuning.objective, tuning.over) {
        (Objective::Capacity, Some(over)) => load_words(over, value),
        (Objective::TokensPerJoule, _) => format!("{} output tokens/joule", three_digits(value)),
        _ => format!("{} output tokens/s", three_digits(value)),
    }
}

/// `max_num_seqs 256`.
fn settings_words(settings: &[String], values: &[Value]) -> String {
    let words = settings.iter().zip(values).map(|(setting, value)| {
        let name = setting.rsplit('.').next().unwrap_or(setting);
        format!("{name} {}", value_text(value))
    });
    listed(&words.collect::<Vec<_>>())
}

fn values_words(values: &[Value]) -> String {
    listed(&values.iter().map(value_text).collect::<Vec<_>>())
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
