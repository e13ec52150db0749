//! Whether the backends did the same work under the same conditions.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordsOf;
use super::backend::BackendReport;
use super::number::{grouped, percent, three_digits};
use crate::cell::CellRow;
use crate::record::RequestRecord;

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
    pub what: String,
    /// Whether it is the same for all.
    pub state: FairnessState,
    /// Why a difference does not break the comparison; absent if it does, or
    /// if there is none.
    pub explained: Option<String>,
    /// The condition of each backend, in the order of the report.
    pub values: Vec<FairnessValue>,
}

/// Whether a condition is the same for all backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FairnessState {
    /// The same for all, as far as every backend tells.
    Same,
    /// Not the same.
    Differs,
    /// Some backend does not tell.
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

/// How many answers two backends gave alike, by the hash of the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// Label of one backend.
    pub a: String,
    /// Label of the other.
    pub b: String,
    /// Requests that both answered and whose answers were hashed.
    pub compared: u64,
    /// Those with identical text.
    pub identical: u64,
    /// Identical over compared; absent if none was compared.
    pub share: Option<f64>,
}

pub(super) fn build(
    backends: &[BackendReport],
    cells: &[CellRow],
    records_of: &RecordsOf<'_>,
) -> Fairness {
    let measured: Vec<(&BackendReport, Vec<&RequestRecord>)> = backends
        .iter()
        .map(|backend| {
            let own = cells.iter().filter(|cell| cell.backend == backend.label);
            let records = own.flat_map(records_of);
            (backend, records.filter(|record| record.counts()).collect())
        })
        .filter(|(_, records): &(_, Vec<&RequestRecord>)| !records.is_empty())
        .collect();
    if measured.is_empty() {
        return Fairness::default();
    }
    let labels: Vec<&str> = measured.iter().map(|(b, _)| b.label.as_str()).collect();
    let tokens = |what: &str, of: fn(&RequestRecord) -> Option<(u32, u32)>, words: [&str; 2]| {
        let sums: Vec<_> = measured
            .iter()
            .map(|(_, records)| sums(records, of))
            .collect();
        token_row(what, &labels, &sums, words)
    };
    let stated = |what: &str, of: &dyn Fn(&BackendReport) -> Option<String>| {
        let values = measured.iter().map(|(backend, _)| of(backend)).collect();
        stated_row(what, &labels, values)
    };
    let prompt = |record: &RequestRecord| Some((record.asked_input_tokens?, record.input_tokens?));
    let answer = |record: &RequestRecord| Some((record.asked_output_tokens, record.output_tokens?));
    let cached = |record: &RequestRecord| Some((record.input_tokens?, record.cached_tokens?));
    let cached_sums: Vec<_> = measured.iter().map(|(_, r)| sums(r, cached)).collect();
    let rows = vec![
        tokens("Prompt tokens", prompt, ["sent", "counted by the server"]),
        tokens("Output tokens", answer, ["asked", "returned"]),
        cached_row(&labels, &cached_sums),
        explained(
            stated("Prompt form", &|b| b.prompt_form.clone()),
            "the prompt tokens above show whether it changed the work",
        ),
        stated("Data type in effect", &|b| {
            b.dtype.as_deref().map(plain_dtype)
        }),
        explained(
            stated("Longest prompt plus answer in effect", &|b| {
                b.max_model_len.map(|n| format!("{} tokens", grouped(n)))
            }),
            "it limits lengths, and does not change the work",
        ),
        command_row(&measured.iter().map(|(b, _)| *b).collect::<Vec<_>>()),
    ];
    Fairness {
        rows,
        agreement: agreement(&measured),
    }
}

/// Sums of both numbers over the records that have both, or `None` if no
/// record has.
fn sums(
    records: &[&RequestRecord],
    of: fn(&RequestRecord) -> Option<(u32, u32)>,
) -> Option<(u64, u64)> {
    let mut pairs = records.iter().filter_map(|record| of(record)).peekable();
    pairs.peek()?;
    Some(pairs.fold((0, 0), |(a, b), (x, y)| {
        (a + u64::from(x), b + u64::from(y))
    }))
}

fn token_row(
    what: &str,
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
    row(what, state, labels, sums.iter().map(text).collect())
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
    row("Prompt tokens from the prefix cache", state, labels, texts)
}

fn stated_row(what: &str, labels: &[&str], values: Vec<Option<String>>) -> FairnessRow {
    let known: Vec<&String> = values.iter().flatten().collect();
    let state = if known.windows(2).any(|pair| pair[0] != pair[1]) {
        FairnessState::Differs
    } else if known.len() < values.len() {
        FairnessState::Unknown
    } else {
        FairnessState::Same
    };
    row(what, state, labels, values)
}

fn command_row(backends: &[&BackendReport]) -> FairnessRow {
    let labels: Vec<&str> = backends.iter().map(|b| b.label.as_str()).collect();
    let texts = backends
        .iter()
        .map(|backend| match (&backend.command, &backend.attach) {
            (Some(command), _) => Some(command.join(" ")),
            (None, Some(url)) => Some(format!("attached to {url}")),
            (None, None) => None,
        })
        .collect();
    explained(
        stated_row("Launched as", &labels, texts),
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
    what: &str,
    state: FairnessState,
    labels: &[&str],
    texts: Vec<Option<String>>,
) -> FairnessRow {
    let values = labels.iter().zip(texts).map(|(label, text)| FairnessValue {
        backend: (*label).to_owned(),
        text,
    });
    FairnessRow {
        what: what.to_owned(),
        state,
        explained: None,
        values: values.collect(),
    }
}

fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    high - low
}

/// PyTorch writes `torch.bfloat16` where others write `bfloat16`.
fn plain_dtype(dtype: &str) -> String {
    dtype.trim_start_matches("torch.").to_lowercase()
}

fn agreement(measured: &[(&BackendReport, Vec<&RequestRecord>)]) -> Vec<Agreement> {
    let hashes: Vec<(&str, HashMap<String, &str>)> = measured
        .iter()
        .map(|(backend, records)| {
            let hashed = records.iter().filter_map(|record| {
                let key = &record.key;
                let place = format!("{}/{}/{}", key.block, key.level, key.index);
                Some((place, record.text_sha256.as_deref()?))
            });
            (backend.label.as_str(), hashed.collect())
        })
        .collect();
    let mut pairs = Vec::new();
    for (at, (a, of_a)) in hashes.iter().enumerate() {
        for (b, of_b) in &hashes[at + 1..] {
            let both = of_a
                .iter()
                .filter_map(|(place, x)| Some((x, of_b.get(place)?)));
            let (mut compared, mut identical) = (0u64, 0u64);
            for (x, y) in both {
                compared += 1;
                identical += u64::from(x == y);
            }
            pairs.push(Agreement {
                a: (*a).to_owned(),
                b: (*b).to_owned(),
                compared,
                identical,
                share: (compared > 0).then(|| identical as f64 / compared as f64),
            });
        }
    }
    pairs
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

impl Agreement {
    /// `96 of 96 (100 %)`, or that nothing could be compared.
    #[must_use]
    pub fn line(&self) -> String {
        match self.share {
            Some(share) => format!(
                "{} of {} ({} %)",
                grouped(self.identical),
                grouped(self.compared),
                three_digits(share * 100.0)
            ),
            None => "none could be compared".to_owned(),
        }
    }
}
