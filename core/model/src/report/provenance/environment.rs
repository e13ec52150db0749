//! Where and with what a run was made, and what the client itself did.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::measured::MeasuredCell;
use crate::cell::row::CellRow;
use crate::config::{Config, Level};
use crate::facts::manifest::Manifest;
use crate::facts::self_check::SelfCheck;
use crate::facts::warning::WarningKind;
use crate::metrics::MetricValue;
use crate::report::provenance::fact::{Fact, fact};
use crate::report::provenance::workload;
use crate::text::number;

/// What the client itself did in one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelfCheckRow {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Repeat, from 0.
    pub block: u32,
    /// Measured requests that succeeded; absent in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_ok: Option<u64>,
    /// Whether the figures can be trusted.
    pub trustworthy: bool,
    /// Thresholds that were broken, with what was found.
    pub breaches: Vec<WarningKind>,
    /// What was found; its fields are those of `cells.json`.
    #[serde(flatten)]
    pub found: SelfCheck,
    /// Requests in flight, on average over the measured window.
    pub achieved_concurrency: Option<f64>,
    /// Median of sent minus scheduled; absent in a closed loop.
    pub send_lag_ms_p50: Option<f64>,
}

pub(crate) fn self_check(cells: &[MeasuredCell<'_>]) -> Vec<SelfCheckRow> {
    cells
        .iter()
        .map(|MeasuredCell { row: cell, .. }| {
            let typical = |name| cell.metrics.get(name).and_then(MetricValue::typical);
            SelfCheckRow {
                backend: cell.backend.clone(),
                level: cell.level,
                block: cell.block,
                requests_ok: Some(cell.counts.ok),
                trustworthy: cell.trustworthy && !cell.self_check.client_was_limit,
                breaches: broken(cell),
                found: cell.self_check.clone(),
                achieved_concurrency: typical("achieved_concurrency"),
                send_lag_ms_p50: typical("send_lag_ms"),
            }
        })
        .collect()
}

fn broken(cell: &CellRow) -> Vec<WarningKind> {
    let kinds = cell.warnings.iter();
    let kinds = kinds.filter(|kind| kind.code().breaks_trust());
    kinds.cloned().collect()
}

/// The machine in one line: its GPUs, or that there is none and its CPU.
pub(crate) fn machine_line(manifest: &Manifest) -> String {
    let mut names: Vec<(String, u32)> = Vec::new();
    for gpu in &manifest.gpus {
        let name = gpu.name.clone().unwrap_or_else(|| "unnamed GPU".to_owned());
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    if names.is_empty() {
        let cpu = manifest.host.cpu.as_deref().unwrap_or("unknown CPU");
        return match manifest.host.cores {
            Some(cores) => format!("no GPU sampled · {cpu}, {cores} cores"),
            None => format!("no GPU sampled · {cpu}"),
        };
    }
    let parts: Vec<String> = names
        .into_iter()
        .map(|(name, count)| match count {
            1 => name,
            count => format!("{count} × {name}"),
        })
        .collect();
    parts.join(", ")
}

pub(crate) fn facts(manifest: &Manifest, config: &Config) -> Vec<Fact> {
    let host = &manifest.host;
    let mut facts = vec![
        fact("InferBench", Some(manifest.inferbench_version.clone())),
        fact("Host", host.hostname.clone()),
        fact("Operating system", host.os.clone()),
        fact("CPU", host.cpu.clone()),
        fact("Logical cores", host.cores.map(|cores| cores.to_string())),
        fact("Memory", host.memory_bytes.map(number::bytes)),
    ];
    for gpu in &manifest.gpus {
        let mut parts = vec![gpu.name.clone().unwrap_or_else(|| "unnamed".to_owned())];
        parts.extend(gpu.memory_bytes.map(number::bytes));
        parts.extend(
            gpu.power_limit_watts
                .map(|watts| format!("{watts} W limit")),
        );
        parts.extend(gpu.driver.as_ref().map(|driver| format!("driver {driver}")));
        facts.push(fact(&format!("GPU {}", gpu.index), Some(parts.join(", "))));
    }
    if manifest.gpus.is_empty() {
        let why = manifest.gpu_absence.as_deref().unwrap_or("none found");
        facts.push(fact("GPU", Some(format!("not sampled: {why}"))));
    }
    if let Some(calibration) = &manifest.calibration {
        facts.push(fact("Calibration", Some(calibration.line())));
    }
    facts.extend(workload::facts(config));
    facts.extend([
        fact("Prompts SHA-256", manifest.workload_sha256.clone()),
        fact(
            "Seed of the prompts",
            Some(config.workload.seed.to_string()),
        ),
        fact("Seed of the run", Some(config.seed.to_string())),
        fact("Order of backends", Some(order(manifest))),
        fact("Started", manifest.anchors.first().map(|a| a.utc.clone())),
        fact("Ended", ended(manifest)),
    ]);
    facts
}

fn ended(manifest: &Manifest) -> Option<String> {
    let last = manifest.anchors.get(1..)?.last()?;
    Some(last.utc.clone())
}

fn order(manifest: &Manifest) -> String {
    let blocks = manifest.plan.stages.chunk_by(|a, b| a.block == b.block);
    let orders: Vec<String> = blocks
        .map(|stages| {
            let labels: Vec<&str> = stages.iter().map(|stage| stage.backend.as_str()).collect();
            labels.join(", ")
        })
        .collect();
    orders.join("; ")
}
