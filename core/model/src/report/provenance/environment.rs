//! Where and with what a run was made, and what the client itself did.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::measured::MeasuredCell;
use crate::cell::row::CellRow;
use crate::config::{Config, Level, Sampling, WorkloadConfig};
use crate::facts::manifest::Manifest;
use crate::facts::self_check::SelfCheck;
use crate::facts::warning::WarningKind;
use crate::metrics::MetricValue;
use crate::text::number;

/// One named fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// The fact as text; absent if it is not known.
    pub text: Option<String>,
}

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
    if let Some(images) = &config.workload.images {
        facts.push(fact("Images in each request", Some(images.words())));
    }
    facts.extend([
        fact("Prompts", Some(prompts(config))),
        fact("Next token", Some(sampling(config.workload.sampling))),
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

fn fact(name: &str, text: Option<String>) -> Fact {
    Fact {
        name: name.to_owned(),
        text,
    }
}

fn ended(manifest: &Manifest) -> Option<String> {
    let last = manifest.anchors.get(1..)?.last()?;
    Some(last.utc.clone())
}

fn prompts(config: &Config) -> String {
    let workload = &config.workload;
    let text = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => "unknown".to_owned(),
    };
    let forced = if workload.force_output {
        "forced"
    } else {
        "free"
    };
    let lengths = match &workload.lengths {
        _ if !workload.prompts.draws_lengths() => "lengths as its rows say".to_owned(),
        Some(table) => format!("lengths from {}", table.file),
        None => format!(
            "{} prompt tokens; {} output tokens",
            text(serde_json::to_value(workload.input_tokens)),
            text(serde_json::to_value(workload.output_tokens)),
        ),
    };
    format!(
        "{}; {lengths}, {forced}; {} warm-up requests per level",
        source(workload),
        config.load.warmup_requests,
    )
}

/// Where prompts come from: the source, and its file.
fn source(workload: &WorkloadConfig) -> String {
    let name = workload.prompts.name();
    match &workload.file {
        Some(file) => format!("{name} from {file}"),
        None => name.to_owned(),
    }
}

/// How the next token is picked.
fn sampling(sampling: Sampling) -> String {
    let Sampling::Random(random) = sampling else {
        return match sampling {
            Sampling::Server => "as each server does by default".to_owned(),
            _ => "greedy, the likeliest token".to_owned(),
        };
    };
    let top_p = random.top_p.map(|p| format!(", top_p {p}"));
    let seed = random.seed.unwrap_or(0);
    format!(
        "temperature {}{}, seed {seed}",
        random.temperature,
        top_p.unwrap_or_default()
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RandomSampling;

    #[test]
    fn the_way_a_token_is_picked_is_told_in_words() {
        let random = |top_p, seed| {
            Sampling::Random(RandomSampling {
                temperature: 0.7,
                top_p,
                seed,
            })
        };
        for (picked, words) in [
            (Sampling::Greedy, "greedy, the likeliest token"),
            (Sampling::Server, "as each server does by default"),
            (
                random(Some(0.9), Some(5)),
                "temperature 0.7, top_p 0.9, seed 5",
            ),
            (random(None, None), "temperature 0.7, seed 0"),
        ] {
            assert_eq!(sampling(picked), words);
        }
    }

    #[test]
    fn prompts_of_a_file_are_told_by_its_name_and_have_no_lengths_of_the_config() {
        let told = |workload: &str| {
            let text = format!(
                r#"{{"name": "t", "model": {{"id": "m"}}, "backends": [],
                    "workload": {workload}, "load": {{"concurrency": [1], "requests": 1}}}}"#
            );
            prompts(&serde_json::from_str(&text).unwrap())
        };
        let rows = told(r#"{"prompts": "jsonl", "file": "a.jsonl", "force_output": false}"#);
        let words = "jsonl from a.jsonl; lengths as its rows say, free; ";
        assert!(rows.starts_with(words), "{rows}");
        let table = told(r#"{"lengths": {"file": "l.csv"}}"#);
        assert!(
            table.starts_with("synthetic; lengths from l.csv, forced; "),
            "{table}"
        );
    }
}
