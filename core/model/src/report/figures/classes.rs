//! Classes of traffic: what the requests of each got.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parts::PartOfRow;
use crate::cell::measured::MeasuredCell;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::report::Row;
use crate::stats::Summary;

/// One class of traffic of a backend at a level, over all repeats. Percentiles that have
/// too few values are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassRow {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Name of the class.
    pub class: String,
    /// Measured requests by outcome.
    pub counts: Counts,
    /// Time to first token, ms.
    pub ttft_ms: Summary,
    /// Time per output token, ms.
    pub tpot_ms: Summary,
    /// End-to-end latency, ms.
    pub e2e_latency_ms: Summary,
    /// Prompt tokens as the server counted them.
    pub input_tokens: Summary,
    /// Answer tokens as the server counted them.
    pub output_tokens: Summary,
    /// Output tokens per second in the measured window, mean of the repeats.
    pub output_token_throughput: Option<f64>,
    /// Share of the requests that met the limits of the class, mean of the repeats.
    pub slo_attainment: Option<f64>,
    /// Completed requests per second that met them, mean of the repeats.
    pub goodput: Option<f64>,
}

/// Every class of every row, by row and name.
pub(crate) fn all(rows: &[Row], cells: &[MeasuredCell<'_>]) -> Vec<ClassRow> {
    let of_row = |row: &Row| {
        let own = cells.iter().filter(|cell| row.is_made_of(&cell.row));
        let mut classes: BTreeMap<&str, PartOfRow<'_>> = BTreeMap::new();
        for cell in own {
            for figures in &cell.row.classes {
                if let Some(digest) = cell.digest.classes.get(&figures.class) {
                    let part = classes.entry(figures.class.as_str()).or_default();
                    part.push(digest, &figures.metrics);
                }
            }
        }
        let each = classes.into_iter();
        let rows = each.map(|(class, part)| class_row(row, class, &part));
        rows.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

fn class_row(row: &Row, class: &str, part: &PartOfRow<'_>) -> ClassRow {
    ClassRow {
        backend: row.backend.clone(),
        level: row.level,
        class: class.to_owned(),
        counts: part.counts(),
        ttft_ms: part.pooled("ttft_ms"),
        tpot_ms: part.pooled("tpot_ms"),
        e2e_latency_ms: part.pooled("e2e_latency_ms"),
        input_tokens: part.pooled("input_tokens"),
        output_tokens: part.pooled("output_tokens"),
        output_token_throughput: part.mean("output_token_throughput"),
        slo_attainment: part.mean("slo_attainment"),
        goodput: part.mean("goodput"),
    }
}
