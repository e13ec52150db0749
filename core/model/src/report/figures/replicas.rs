//! Replicas of a backend: what the requests of each got.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parts::PartOfRow;
use crate::cell::measured::MeasuredCell;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::manifest::Manifest;
use crate::report::Row;
use crate::stats::Summary;

/// One replica of a backend at a level, over all repeats. Percentiles that have too few
/// values are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaRow {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Its place in `attach`, from 0.
    pub replica: u32,
    /// Its URL; absent if the run does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Measured requests by outcome.
    pub counts: Counts,
    /// Time to first token, ms.
    pub ttft_ms: Summary,
    /// Time per output token, ms.
    pub tpot_ms: Summary,
    /// End-to-end latency, ms.
    pub e2e_latency_ms: Summary,
    /// Completed requests per second in the measured window, mean of the repeats.
    pub request_throughput: Option<f64>,
    /// Output tokens per second in the measured window, mean of the repeats.
    pub output_token_throughput: Option<f64>,
}

/// Every replica of every row, by row and place.
pub(crate) fn all(
    rows: &[Row],
    cells: &[MeasuredCell<'_>],
    manifest: &Manifest,
) -> Vec<ReplicaRow> {
    let of_row = |row: &Row| {
        let own = cells.iter().filter(|cell| row.is_made_of(&cell.row));
        let mut replicas: BTreeMap<u32, PartOfRow<'_>> = BTreeMap::new();
        for cell in own {
            for figures in &cell.row.replicas {
                if let Some(digest) = cell.digest.replicas.get(&figures.replica) {
                    let part = replicas.entry(figures.replica).or_default();
                    part.push(digest, &figures.metrics);
                }
            }
        }
        let each = replicas.into_iter();
        let rows = each.map(|(replica, part)| {
            let url = url_of(manifest, &row.backend, replica);
            replica_row(row, (replica, url), &part)
        });
        rows.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

/// The URL of a replica.
fn url_of(manifest: &Manifest, backend: &str, replica: u32) -> Option<String> {
    let urls = manifest.replicas_of(backend);
    urls.get(replica as usize).cloned()
}

fn replica_row(row: &Row, replica: (u32, Option<String>), part: &PartOfRow<'_>) -> ReplicaRow {
    let (replica, url) = replica;
    ReplicaRow {
        backend: row.backend.clone(),
        level: row.level,
        replica,
        url,
        counts: part.counts(),
        ttft_ms: part.pooled("ttft_ms"),
        tpot_ms: part.pooled("tpot_ms"),
        e2e_latency_ms: part.pooled("e2e_latency_ms"),
        request_throughput: part.mean("request_throughput"),
        output_token_throughput: part.mean("output_token_throughput"),
    }
}
