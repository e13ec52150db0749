//! Whether the backends did the same work under the same conditions.

mod agreement;
mod conditions;

pub use agreement::{Agreement, Parting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provenance::backend::BackendReport;
use super::provenance::cache_audit::{CacheAudit, asked_again};
use crate::cell::fold::Work;
use crate::cell::measured::MeasuredCell;
use crate::cell::row::CellRow;
use crate::facts::warning::WarningKind;
use crate::text::number::{grouped, percent};

/// Largest share by which token counts may differ and still be the same work.
const SAME_WITHIN: f64 = 0.01;

/// Evidence on whether the backends did the same work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fairness {
    /// One row per condition.
    pub rows: Vec<FairnessRow>,
    /// Identical answers, per pair of backends.
    pub agreement: Vec<Agreement>,
}

/// One condition over the backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FairnessRow {
    /// The condition.
    pub condition: Condition,
    /// The same as a heading.
    pub what: String,
    /// Whether it is the same for all.
    pub state: FairnessState,
    /// Why a difference does not break the comparison; absent if it does, or
    /// if there is none.
    pub explained: Option<String>,
    /// One backend did other work than another: more or fewer tokens for what was
    /// asked. Where all miss what was asked by as much, none did.
    #[serde(default)]
    pub unequal_work: bool,
    /// The condition of each backend, in the order of the report.
    pub values: Vec<FairnessValue>,
}

/// A condition that backends work under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Prompt tokens sent and counted.
    PromptTokens,
    /// Output tokens asked and returned.
    OutputTokens,
    /// Prompt tokens that came from the prefix cache.
    CachedTokens,
    /// Token ids, text or messages.
    PromptForm,
    /// Data type.
    DataType,
    /// Longest prompt plus answer.
    MaxModelLen,
    /// Quantisation.
    Quantization,
    /// Whether a prefix cache is on.
    PrefixCache,
    /// Attention implementation.
    Attention,
    /// Most sequences at once.
    MaxSequences,
    /// Most tokens in a batch.
    MaxBatchedTokens,
    /// Whether a prompt that is asked again is answered faster.
    AskedAgain,
    /// How the server was launched.
    Launch,
}

impl Condition {
    /// Whether it is a count of the work itself.
    #[must_use]
    pub fn counts_work(self) -> bool {
        matches!(self, Self::PromptTokens | Self::OutputTokens)
    }

    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::PromptTokens => "Prompt tokens",
            Self::OutputTokens => "Output tokens",
            Self::CachedTokens => "Prompt tokens from the prefix cache",
            Self::PromptForm => "Prompt form",
            Self::DataType => "Data type in effect",
            Self::MaxModelLen => "Longest prompt plus answer in effect",
            Self::Quantization => "Quantisation in effect",
            Self::PrefixCache => "Prefix cache",
            Self::Attention => "Attention",
            Self::MaxSequences => "Most requests at once",
            Self::MaxBatchedTokens => "Most prompt tokens in a step",
            Self::AskedAgain => "The same prompt asked again",
            Self::Launch => "Launched as",
        }
    }
}

/// Whether a condition is the same for all backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FairnessState {
    /// The same for all, as far as every backend reports it.
    Same,
    /// Not the same.
    Differs,
    /// Some backend does not report it.
    Unknown,
}

/// A condition of one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FairnessValue {
    /// Label of the backend.
    pub backend: String,
    /// The condition as text; absent if it is not known.
    pub text: Option<String>,
}

/// A backend with its cells and what was done in each.
type Measured<'a> = (&'a BackendReport, Vec<(&'a CellRow, &'a Work)>);

pub(super) fn build(backends: &[BackendReport], cells: &[MeasuredCell<'_>]) -> Fairness {
    let measured = backends.iter().map(|backend| {
        let own = cells.iter();
        let own = own.filter(|cell| cell.row.backend == backend.label);
        let work = own.map(|cell| (&cell.row, &cell.digest.work));
        let work = work.filter(|(_, work)| work.requests > 0);
        (backend, work.collect())
    });
    let measured: Vec<Measured<'_>> = measured
        .filter(|(_, work): &Measured<'_>| !work.is_empty())
        .collect();
    if measured.is_empty() {
        return Fairness::default();
    }
    let labels: Vec<&str> = measured.iter().map(|(b, _)| b.label.as_str()).collect();
    let backends: Vec<&BackendReport> = measured.iter().map(|(b, _)| *b).collect();
    let mut rows = token_rows(&measured, &labels);
    rows.extend(conditions::rows(&backends, &labels));
    rows.extend(asked_again_row(&backends));
    rows.push(command_row(&backends));
    Fairness {
        rows,
        agreement: agreement::of_all_pairs(&measured),
    }
}

/// Tokens sent and counted, asked and returned, and those from the prefix cache.
fn token_rows(measured: &[Measured<'_>], labels: &[&str]) -> Vec<FairnessRow> {
    let sums_of = |of: fn(&Work) -> Option<(u64, u64)>| -> Vec<_> {
        let each = measured.iter();
        each.map(|(_, cells)| sums(cells.iter().filter_map(|(_, work)| of(work))))
            .collect()
    };
    vec![
        token_row(
            Condition::PromptTokens,
            labels,
            &sums_of(|work| work.prompt),
            ["sent", "counted by the server"],
        ),
        token_row(
            Condition::OutputTokens,
            labels,
            &sums_of(|work| work.answer),
            ["asked", "returned"],
        ),
        cached_row(labels, &sums_of(|work| work.cached)),
    ]
}

/// Sums of both numbers over several cells, or `None` if no cell has them.
fn sums(pairs: impl Iterator<Item = (u64, u64)>) -> Option<(u64, u64)> {
    pairs.reduce(|(a, b), (x, y)| (a + x, b + y))
}

fn token_row(
    condition: Condition,
    labels: &[&str],
    sums: &[Option<(u64, u64)>],
    words: [&str; 2],
) -> FairnessRow {
    let ratios: Option<Vec<f64>> = sums
        .iter()
        .map(|sums| {
            sums.filter(|(a, _)| *a > 0)
                .map(|(a, b)| b as f64 / a as f64)
        })
        .collect();
    let unequal = ratios
        .as_ref()
        .is_some_and(|ratios| spread(ratios.iter().copied()) > SAME_WITHIN);
    let state = match ratios {
        None => FairnessState::Unknown,
        Some(ratios) if spread(ratios.iter().copied().chain([1.0])) <= SAME_WITHIN => {
            FairnessState::Same
        }
        Some(_) => FairnessState::Differs,
    };
    let text = |sums: &Option<(u64, u64)>| {
        sums.map(|(a, b)| format!("{} {}, {} {}", grouped(a), words[0], grouped(b), words[1]))
    };
    FairnessRow {
        unequal_work: unequal,
        ..row(condition, state, labels, sums.iter().map(text).collect())
    }
}

fn cached_row(labels: &[&str], sums: &[Option<(u64, u64)>]) -> FairnessRow {
    let shares: Vec<Option<f64>> = sums
        .iter()
        .map(|sums| {
            sums.filter(|(all, _)| *all > 0)
                .map(|(all, hit)| hit as f64 / all as f64)
        })
        .collect();
    let known: Option<Vec<f64>> = shares.iter().copied().collect();
    let state = match known {
        None => FairnessState::Unknown,
        Some(shares) if spread(shares.iter().copied()) <= SAME_WITHIN => FairnessState::Same,
        Some(_) => FairnessState::Differs,
    };
    let texts = shares.iter().map(|share| share.map(percent)).collect();
    row(Condition::CachedTokens, state, labels, texts)
}

fn stated_row(condition: Condition, labels: &[&str], values: Vec<Option<String>>) -> FairnessRow {
    let known: Vec<&String> = values.iter().flatten().collect();
    let state = if known.windows(2).any(|pair| pair[0] != pair[1]) {
        FairnessState::Differs
    } else if known.len() < values.len() {
        FairnessState::Unknown
    } else {
        FairnessState::Same
    };
    row(condition, state, labels, values)
}

/// A gain on a prompt that is asked again breaks the comparison, unless the
/// prefix cache may explain it. `None` if no backend was audited.
fn asked_again_row(backends: &[&BackendReport]) -> Option<FairnessRow> {
    let labels: Vec<&str> = backends.iter().map(|b| b.label.as_str()).collect();
    let audits: Vec<Option<&CacheAudit>> =
        backends.iter().map(|b| b.cache_audit.as_ref()).collect();
    let texts = audits.iter().map(|audit| audit.map(asked_again_words));
    let known = || audits.iter().flatten();
    known().next()?;
    let state = if known().any(|audit| audit.gains) {
        FairnessState::Differs
    } else if known().count() < audits.len() {
        FairnessState::Unknown
    } else {
        FairnessState::Same
    };
    let row = row(Condition::AskedAgain, state, &labels, texts.collect());
    Some(if known().any(|audit| audit.is_cached()) {
        row
    } else {
        explained(row, "the prefix cache, which could not be emptied")
    })
}

fn asked_again_words(audit: &CacheAudit) -> String {
    asked_again([audit.ratio, audit.low, audit.high], audit.prefix_cache)
}

fn command_row(backends: &[&BackendReport]) -> FairnessRow {
    let labels: Vec<&str> = backends.iter().map(|b| b.label.as_str()).collect();
    let texts = backends
        .iter()
        .map(|backend| match (&backend.command, &backend.attach) {
            (Some(command), _) => Some(command.join(" ")),
            (None, Some(_)) if !backend.replicas.is_empty() => {
                Some(format!("attached to {}", backend.replicas.join(", ")))
            }
            (None, Some(url)) => Some(format!("attached to {url}")),
            (None, None) => None,
        })
        .collect();
    explained(
        stated_row(Condition::Launch, &labels, texts),
        "every backend has its own command line",
    )
}

/// Gives a difference, if there is one, a reason why it does not break the
/// comparison.
fn explained(mut row: FairnessRow, why: &str) -> FairnessRow {
    row.explained = (row.state == FairnessState::Differs).then(|| why.to_owned());
    row
}

fn row(
    condition: Condition,
    state: FairnessState,
    labels: &[&str],
    texts: Vec<Option<String>>,
) -> FairnessRow {
    let values = labels.iter().zip(texts).map(|(label, text)| FairnessValue {
        backend: (*label).to_owned(),
        text,
    });
    FairnessRow {
        condition,
        what: condition.heading().to_owned(),
        state,
        explained: None,
        unequal_work: false,
        values: values.collect(),
    }
}

fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    high - low
}

impl Fairness {
    /// Conditions that break the comparison.
    pub fn broken(&self) -> impl Iterator<Item = &FairnessRow> {
        let several = self.rows.first().is_some_and(|row| row.values.len() > 1);
        let rows = self.rows.iter();
        rows.filter(move |row| several && row.breaks())
    }

    /// Pairs of backends whose answers differ from the start; see
    /// [`WarningKind::AnswersPartEarly`].
    pub(super) fn early_partings(&self) -> Option<WarningKind> {
        agreement::early_partings(&self.agreement)
    }

    /// Conditions that show that one backend did other work than another.
    pub fn unequal_work(&self) -> impl Iterator<Item = &FairnessRow> {
        self.broken().filter(|row| row.unequal_work)
    }
}

impl FairnessRow {
    /// The row as one line: `vllm: bfloat16; hf: unknown`.
    #[must_use]
    pub fn line(&self) -> String {
        let values: Vec<String> = self
            .values
            .iter()
            .map(|v| format!("{}: {}", v.backend, v.text.as_deref().unwrap_or("unknown")))
            .collect();
        values.join("; ")
    }

    /// Whether it is a difference that breaks the comparison.
    #[must_use]
    pub fn breaks(&self) -> bool {
        self.state == FairnessState::Differs && self.explained.is_none()
    }
}
