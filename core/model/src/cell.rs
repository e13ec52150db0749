//! One row of `cells.json`: a cell with every metric final.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Level, SloConfig};
use crate::metrics::window::Window;
use crate::metrics::{CellInput, MetricValue, compute};
use crate::record::{Phase, RequestRecord};
pub use crate::self_check::SelfCheck;
use crate::self_check::{Breach, Offered, judge};
use crate::units::s_between;

/// Version of `cells.json`.
pub const CELLS_SCHEMA_VERSION: u32 = 1;

/// The file `cells.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellsFile {
    /// Version of this file's form.
    pub schema_version: u32,
    /// Whether any backend of the run was simulated.
    pub simulated: bool,
    /// One row per cell, in the order in which they were measured.
    pub cells: Vec<CellRow>,
}

/// JSON Schema of `cells.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(CellsFile).to_value()
}

/// One cell: a backend at a level in a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellRow {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
    /// Measured requests by outcome.
    pub counts: Counts,
    /// The measured window.
    pub window: Option<Window>,
    /// Every metric by its name.
    #[serde(flatten)]
    pub metrics: IndexMap<String, MetricValue>,
    /// What the client itself did during the cell.
    pub self_check: SelfCheck,
    /// Whether the figures can be trusted: no threshold of the self-check was
    /// broken.
    pub trustworthy: bool,
    /// Thresholds of the self-check that were broken.
    pub breaches: Vec<Breach>,
    /// What a reader must know before trusting the row.
    pub warnings: Vec<String>,
}

/// Measured requests by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Succeeded.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Failed ones by reason.
    pub by_reason: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts of the measured requests among `records`.
    #[must_use]
    pub fn of(records: &[RequestRecord]) -> Self {
        let mut counts = Self::default();
        for record in records.iter().filter(|r| r.key.phase == Phase::Measured) {
            if record.is_ok() {
                counts.ok += 1;
            } else {
                counts.failed += 1;
                let reason = record
                    .reason
                    .clone()
                    .unwrap_or_else(|| "unknown".to_owned());
                *counts.by_reason.entry(reason).or_default() += 1;
            }
        }
        counts
    }

    /// Adds the counts of another cell.
    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        for (reason, n) in &other.by_reason {
            *self.by_reason.entry(reason.clone()).or_default() += n;
        }
    }
}

/// Identity of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellKey {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
}

/// The row of one cell from its records (all phases, in any order).
#[must_use]
pub fn row(
    key: CellKey,
    records: &[RequestRecord],
    slo: SloConfig,
    mut self_check: SelfCheck,
) -> CellRow {
    let input = CellInput::new(records, slo);
    let counts = Counts::of(records);
    let metrics = compute(&input);
    let breaches = judge(&self_check, &offered(key.level, records, &counts, &metrics));
    self_check.client_was_limit |= breaches.iter().any(|b| b.check.means_client_limit());
    let warnings = warnings(records, &counts, &input, &breaches);
    CellRow {
        backend: key.backend,
        block: key.block,
        level: key.level,
        counts,
        window: input.window,
        metrics,
        trustworthy: breaches.is_empty() && !self_check.client_was_limit,
        self_check,
        breaches,
        warnings,
    }
}

fn warnings(
    records: &[RequestRecord],
    counts: &Counts,
    input: &CellInput<'_>,
    breaches: &[Breach],
) -> Vec<String> {
    let mut found = Vec::new();
    let all = counts.ok + counts.failed;
    if counts.failed > 0 {
        let reasons: Vec<String> = counts
            .by_reason
            .iter()
            .map(|(reason, n)| format!("{n} {reason}"))
            .collect();
        found.push(format!(
            "{} of {all} requests failed ({})",
            counts.failed,
            reasons.join(", ")
        ));
    }
    if input.window.is_none() {
        found.push("no measured window: nothing was measured under steady load".to_owned());
    }
    found.extend(breaches.iter().map(|breach| breach.text.clone()));
    let counted = || records.iter().filter(|record| record.counts());
    let off = counted().filter(|r| r.output_tokens.is_some_and(|n| n != r.asked_output_tokens));
    let (off, ok) = (off.count(), counted().count());
    if off > 0 {
        found.push(format!(
            "{off} of {ok} answers had another length than was asked"
        ));
    }
    let unknown = counted().filter(|r| r.output_tokens.is_none()).count();
    if unknown > 0 {
        found.push(format!(
            "the server did not count the tokens of {unknown} of {ok} answers"
        ));
    }
    found.extend(cache_warning(records));
    found.extend(prompt_warning(records));
    found
}

/// What the records say of the load that was offered.
fn offered(
    level: Level,
    records: &[RequestRecord],
    counts: &Counts,
    metrics: &IndexMap<String, MetricValue>,
) -> Offered {
    let failed_with = |reason: &str| counts.by_reason.get(reason).copied().unwrap_or(0);
    let rates = rates(records);
    Offered {
        level,
        concurrency: metrics
            .get("achieved_concurrency")
            .and_then(MetricValue::typical),
        sent_rate: rates.map(|(sent, _)| sent),
        planned_rate: rates.map(|(_, planned)| planned),
        out_of_files: failed_with("client_out_of_files"),
        out_of_ports: failed_with("client_out_of_ports"),
    }
}

/// Requests per second that were sent and that were planned, over the measured
/// requests that were sent; `None` if they were not planned apart.
fn rates(records: &[RequestRecord]) -> Option<(f64, f64)> {
    let measured = records.iter().filter(|r| r.key.phase == Phase::Measured);
    let times = measured.filter_map(|r| Some((r.sent_ns?, r.scheduled_ns?)));
    let (sent, planned): (Vec<u64>, Vec<u64>) = times.unzip();
    let rate = |times: &[u64]| {
        let span_s = s_between(*times.iter().min()?, *times.iter().max()?);
        (span_s > 0.0).then(|| (times.len() - 1) as f64 / span_s)
    };
    Some((rate(&sent)?, rate(&planned)?))
}

/// Cached prompt tokens above one percent make a cell warm where others are cold.
fn cache_warning(records: &[RequestRecord]) -> Option<String> {
    let sums = records.iter().filter(|record| record.counts()).fold(
        (0u64, 0u64),
        |(cached, prompt), record| {
            (
                cached + u64::from(record.cached_tokens.unwrap_or(0)),
                prompt + u64::from(record.input_tokens.unwrap_or(0)),
            )
        },
    );
    let share = sums.0 as f64 / sums.1 as f64;
    (share > 0.01).then(|| {
        format!(
            "warm prefix cache: {:.1} % of the prompt tokens came from it",
            share * 100.0
        )
    })
}

fn prompt_warning(records: &[RequestRecord]) -> Option<String> {
    let pairs = records
        .iter()
        .filter(|record| record.counts())
        .filter_map(|record| Some((record.asked_input_tokens?, record.input_tokens?)));
    let (mut asked, mut told) = (0u64, 0u64);
    for (a, t) in pairs {
        asked += u64::from(a);
        told += u64::from(t);
    }
    let off = told.abs_diff(asked) as f64 / asked as f64;
    (off > 0.01).then(|| {
        format!(
            "the server counted {told} prompt tokens where {asked} were sent (a chat template or another tokenizer)"
        )
    })
}
