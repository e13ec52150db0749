//! Every sentence of the report, made from its codes and numbers. The last stage:
//! nothing that decides anything reads what is written here.

mod ahead;
mod capacity;
mod gate;
mod headline;
mod no_verdict;
mod per_metric;
pub(crate) mod runs;
mod saturation;
mod tails;
mod trust;
mod tuning;
pub(crate) mod warnings;
pub(crate) mod wording;

use super::data::Report;
use super::figures::row::{Absence, AbsenceCode};
use super::verdict::compare::{Comparison, Reason};
use super::verdict::drift::Drift;
use crate::stats::inference::{Interval, is_bounded};
use crate::text::number::ends;

/// Writes every sentence into a report whose figures, verdicts, marks and codes
/// are final.
pub(super) fn write(report: &mut Report) {
    let marks: Vec<String> = report
        .trust
        .iter()
        .map(|mark| trust::mark(report, mark.about))
        .collect();
    for (mark, text) in report.trust.iter_mut().zip(marks) {
        mark.text = text;
    }
    let sentences: Vec<String> = report
        .tiles
        .iter()
        .map(|tile| tile_sentence(report, &tile.comparison.metric))
        .collect();
    for (tile, sentence) in report.tiles.iter_mut().zip(sentences) {
        tile.sentence = sentence;
        for doubt in &mut tile.doubts {
            doubt.text = trust::doubt(&doubt.kind);
        }
    }
    for absence in report
        .rows
        .iter_mut()
        .filter_map(|row| row.absence.as_mut())
    {
        absence.text = absence_words(absence);
    }
    for warning in &mut report.warnings {
        warning.text = warnings::sentence(warning);
    }
    capacity::write(&mut report.capacity);
    tuning::write(&mut report.tuning);
    report.answer = if !report.tuning.is_empty() {
        tuning::sentences(report)
    } else if !report.capacity.is_empty() {
        capacity::sentences(report)
    } else {
        headline::sentences(report)
    };
}

/// What all levels of a metric show. A reader of several runs asks what became of
/// it before who is best.
fn tile_sentence(report: &Report, metric: &str) -> String {
    match &report.runs {
        Some(runs) => runs.metric_sentence(metric),
        None => {
            let is_own = |c: &&Comparison| c.metric == metric;
            per_metric::sentence(&report.levels, report.comparisons.iter().filter(is_own))
        }
    }
}

fn absence_words(absence: &Absence) -> String {
    let why = absence.why.as_deref().unwrap_or("unknown");
    match absence.code {
        AbsenceCode::Skipped => format!("skipped: {why}"),
        AbsenceCode::NoLevel => "not a level of this run".to_owned(),
        AbsenceCode::NoSuccess => "no request succeeded".to_owned(),
        AbsenceCode::BackendFailed => format!("not measured: {why}"),
        AbsenceCode::RunEnded => "not measured: the run ended before".to_owned(),
    }
}

impl Interval {
    /// `0.901 to 0.938`, or that so few repeats cannot bound it.
    #[must_use]
    pub fn within(&self) -> String {
        if !is_bounded(self.low, self.high) {
            return format!("not bounded with {} repeats", self.blocks);
        }
        let [low, high] = ends(self.low, self.high);
        format!("{low} to {high}")
    }
}

impl Drift {
    /// `output throughput of the last repeat is 6 % lower than that of the first
    /// (95 %: 8 % lower to 4 % lower, over 10 starts)`.
    #[must_use]
    pub fn words(&self) -> String {
        let ends = [self.ratio, self.low, self.high];
        warnings::drift(&self.metric, ends, self.starts as u64)
    }
}

impl Reason {
    /// The reason in a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OneBackend => "only one has a value",
            Self::OneRepeat => "one repeat",
            Self::OutputNotSeen => "output was not seen",
            Self::ClientWasLimit => "the client was the limit",
            Self::TooManyFailed => "too many requests failed",
            Self::AllZero => "a value is 0",
            Self::SeveralLevels => "not clear enough for all levels together",
            Self::NotSteady => "not steady",
            Self::EventsDiffer => "events carry different numbers of tokens",
            Self::WorkDiffers => "not the same work",
            Self::ShardsMissing => "shards are missing",
            Self::ShardsChanged => "facts were changed after the run",
        }
    }
}
