//! What a tuning has found, as lines of text for the page.

use inferbench_model::config::{Objective, SearchOver};
use inferbench_model::report::{
    BestAgainst, Effect, EffectOutcome, PointEnd, Report, TunedPoint, Tuning,
};
use inferbench_model::text::number::ends;
use serde::Serialize;
use serde_json::Value;

use super::RenderError;

/// One sweep.
#[derive(Debug, Serialize)]
pub(super) struct TuningTable {
    backend: String,
    text: String,
    /// Names of the settings.
    settings: Vec<String>,
    heading: &'static str,
    unit: &'static str,
    points: Vec<PointLine>,
    effects: Vec<EffectLine>,
    /// The best as an entry of `backends`.
    config: Option<String>,
    /// Its command line, as a shell reads it.
    command: Option<String>,
}

#[derive(Debug, Serialize)]
struct PointLine {
    values: Vec<String>,
    is_best: bool,
    value: Option<f64>,
    against: String,
    starts: usize,
    end: String,
    doubtful: bool,
}

#[derive(Debug, Serialize)]
struct EffectLine {
    setting: String,
    against: String,
    ratio: f64,
    within: String,
    pairs: usize,
    is_shown: bool,
}

/// Every sweep that was tuned.
pub(super) fn tables(report: &Report) -> Result<Vec<TuningTable>, RenderError> {
    report.tuning.iter().map(table).collect()
}

fn table(tuning: &Tuning) -> Result<TuningTable, RenderError> {
    let names = tuning.points.first().map(|point| point.settings.keys());
    let entry = tuning.config.as_ref().map(|config| vec![config]);
    let (heading, unit) = objective(tuning);
    Ok(TuningTable {
        backend: tuning.backend.clone(),
        text: tuning.text.clone(),
        settings: names
            .into_iter()
            .flatten()
            .map(|name| short(name))
            .collect(),
        heading,
        unit,
        points: tuning
            .points
            .iter()
            .map(|point| point_line(tuning, point))
            .collect(),
        effects: tuning.effects.iter().map(effect_line).collect(),
        config: entry
            .map(|entry| serde_yaml::to_string(&entry))
            .transpose()?,
        command: tuning.command.as_deref().map(in_shell),
    })
}

fn objective(tuning: &Tuning) -> (&'static str, &'static str) {
    match (tuning.objective, tuning.over) {
        (Objective::Throughput, _) => ("Throughput", "output tokens/s"),
        (Objective::TokensPerJoule, _) => ("Energy", "output tokens/joule"),
        (Objective::Capacity, Some(SearchOver::RequestRate)) => ("Capacity", "requests/s"),
        (Objective::Capacity, _) => ("Capacity", "requests at once"),
    }
}

fn point_line(tuning: &Tuning, point: &TunedPoint) -> PointLine {
    let end = match point.end {
        PointEnd::Finalist => "measured in full".to_owned(),
        PointEnd::LeftOut => "left out after a look".to_owned(),
        PointEnd::NotReached => "no look: the time did not suffice".to_owned(),
        PointEnd::NoValue => "keeps the promise at nothing that was measured".to_owned(),
        PointEnd::Failed => point.failure.clone().unwrap_or_default(),
    };
    PointLine {
        values: point.settings.values().map(value_text).collect(),
        is_best: tuning.best.as_ref() == Some(&point.backend),
        value: point.value,
        against: point.best_against.map_or_else(|| "–".to_owned(), against),
        starts: point.rounds.len(),
        end,
        doubtful: point.rounds.iter().any(|round| !round.trustworthy),
    }
}

fn against(own: BestAgainst) -> String {
    let [low, high] = ends(own.low, own.high);
    format!("{low} to {high}")
}

fn effect_line(effect: &Effect) -> EffectLine {
    let each = effect.settings.iter().zip(&effect.values);
    let each = each.map(|(setting, value)| format!("{} {}", short(setting), value_text(value)));
    let against = effect.against.iter().map(value_text);
    EffectLine {
        setting: each.collect::<Vec<_>>().join(", "),
        against: against.collect::<Vec<_>>().join(", "),
        ratio: effect.ratio,
        within: effect
            .interval
            .map_or_else(|| "–".to_owned(), |interval| interval.within()),
        pairs: effect.pairs,
        is_shown: matches!(effect.outcome, EffectOutcome::Higher | EffectOutcome::Lower),
    }
}

/// `max_num_seqs` of `options.max_num_seqs`.
fn short(setting: &str) -> String {
    setting.rsplit('.').next().unwrap_or(setting).to_owned()
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Words as a shell reads them back.
fn in_shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,/:@%".contains(c);
    let quoted = words
        .iter()
        .map(|word| match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_copied_into_a_shell() {
        let words = ["serve", "--x", "a b", "it's", "", "$HOME"].map(str::to_owned);
        assert_eq!(in_shell(&words), r"serve --x 'a b' 'it'\''s' '' '$HOME'");
    }
}
