//! Classes of traffic: what the requests of each got.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::classes::{ClassDigest, ClassFigures};
use crate::cell::measured::MeasuredCell;
use crate::cell::tally::summary;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::metrics::MetricValue;
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
        let own = || cells.iter().filter(|cell| row.is_made_of(&cell.row));
        let mut classes: BTreeMap<&str, Vec<(&ClassDigest, &ClassFigures)>> = BTreeMap::new();
        for cell in own() {
            let figures = cell.row.classes.iter();
            for figures in figures {
                if let Some(digest) = cell.digest.classes.get(&figures.class) {
                    let class = classes.entry(figures.class.as_str()).or_default();
                    class.push((digest, figures));
                }
            }
        }
        let each = classes.into_iter();
        let rows = each.map(|(class, parts)| class_row(row, class, &parts));
        rows.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

fn class_row(row: &Row, class: &str, parts: &[(&ClassDigest, &ClassFigures)]) -> ClassRow {
    let pooled = |name: &str| {
        let tallies = parts
            .iter()
            .filter_map(|(digest, _)| digest.samples.get(name));
        summary(tallies).with_enough_values()
    };
    let mean = |name: &str| {
        let values = parts.iter().map(|(_, figures)| {
            let value = figures.metrics.get(name);
            value.and_then(MetricValue::typical)
        });
        let values: Option<Vec<f64>> = values.collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    let mut counts = Counts::default();
    parts
        .iter()
        .for_each(|(digest, _)| counts.add(&digest.counts));
    ClassRow {
        backend: row.backend.clone(),
        level: row.level,
        class: class.to_owned(),
        counts,
        ttft_ms: pooled("ttft_ms"),
        tpot_ms: pooled("tpot_ms"),
        e2e_latency_ms: pooled("e2e_latency_ms"),
        input_tokens: pooled("input_tokens"),
        output_tokens: pooled("output_tokens"),
        output_token_throughput: mean("output_token_throughput"),
        slo_attainment: mean("slo_attainment"),
        goodput: mean("goodput"),
    }
}
