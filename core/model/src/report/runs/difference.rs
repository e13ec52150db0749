//! What is not the same in several runs: config, versions, hardware.

use serde_json::{Map, Value, json};

use super::{DifferenceAbout, MeasuredRun, RunDifference};
use crate::facts::machine::GpuFacts;
use crate::facts::manifest::Manifest;
use crate::text::difference::differences;
use crate::text::number;

/// Keys of a config that change no figure, or are shown for every run.
const FREE_KEYS: [&str; 3] = ["name", "output", "repeats"];

/// Every difference: config, versions, hardware.
pub(super) fn all(runs: &[MeasuredRun<'_>], baseline: usize) -> Vec<RunDifference> {
    let mut found = of_configs(runs, baseline);
    let mut of_facts = |about, facts: fn(&Manifest) -> Map<String, Value>| {
        let facts: Vec<Value> = runs.iter().map(|run| facts(&run.manifest).into()).collect();
        found.extend(table(about, &facts, baseline));
    };
    of_facts(DifferenceAbout::Version, versions);
    of_facts(DifferenceAbout::Hardware, hardware);
    found
}

fn of_configs(runs: &[MeasuredRun<'_>], baseline: usize) -> Vec<RunDifference> {
    let single = runs.iter().all(|run| run.config.backends.len() == 1);
    let configs: Vec<Value> = runs
        .iter()
        .map(|run| lists_whole(by_label(run.manifest.config.clone(), single)))
        .collect();
    let mut found = table(DifferenceAbout::Config, &configs, baseline);
    found.retain(|difference| !FREE_KEYS.contains(&difference.what.as_str()));
    found
}

/// The config with its backends under their labels, so that their order does
/// not matter; where every run has one, that is `backend`.
fn by_label(mut config: Value, single: bool) -> Value {
    let Some(Value::Array(backends)) = config.get_mut("backends").map(Value::take) else {
        return config;
    };
    if let (true, [only]) = (single, backends.as_slice()) {
        config["backend"] = only.clone();
        return config;
    }
    let mut labelled = Map::new();
    for backend in backends {
        let label = backend["label"].as_str().or(backend["plugin"].as_str());
        let label = label.unwrap_or_default().to_owned();
        labelled.insert(label, backend);
    }
    config["backends"] = labelled.into();
    config
}

/// Lists of plain values as one value, so that they are shown whole: one more
/// level is not a difference at every place after it.
fn lists_whole(value: Value) -> Value {
    let is_plain = |value: &Value| !value.is_array() && !value.is_object();
    match value {
        Value::Array(list) if !list.is_empty() && list.iter().all(is_plain) => {
            let words: Vec<String> = list.iter().filter_map(|v| text(Some(v))).collect();
            words.join(", ").into()
        }
        Value::Array(list) => list.into_iter().map(lists_whole).collect(),
        Value::Object(map) => {
            let entries = map
                .into_iter()
                .map(|(key, value)| (key, lists_whole(value)));
            entries.collect::<Map<String, Value>>().into()
        }
        plain => plain,
    }
}

/// A row for each place at which some value differs from the baseline's.
fn table(about: DifferenceAbout, values: &[Value], baseline: usize) -> Vec<RunDifference> {
    let mut found: Vec<RunDifference> = Vec::new();
    for (place, value) in values.iter().enumerate() {
        for difference in differences(&values[baseline], value) {
            let same_path = |row: &RunDifference| row.what == difference.path;
            let at = found.iter().position(same_path).unwrap_or_else(|| {
                found.push(RunDifference {
                    about,
                    what: difference.path.clone(),
                    values: vec![text(difference.was.as_ref()); values.len()],
                });
                found.len() - 1
            });
            found[at].values[place] = text(difference.is.as_ref());
        }
    }
    found
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn versions(manifest: &Manifest) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("InferBench".into(), json!(manifest.inferbench_version));
    let single = manifest.backends.len() == 1;
    for backend in &manifest.backends {
        let named = |what: &str| match single {
            true => what.to_owned(),
            false => format!("{what}, {}", backend.label),
        };
        let mut stages = manifest
            .stages
            .iter()
            .filter(|s| s.backend == backend.label);
        let server = stages.find_map(|stage| stage.evidence.version.clone());
        facts.insert(named("Server"), json!(server));
        let plugin = format!("{} {}", backend.plugin, backend.plugin_version);
        facts.insert(named("Plugin"), json!(plugin));
        facts.insert(named("SHA-256 of the plugin"), json!(backend.plugin_sha256));
    }
    facts
}

fn hardware(manifest: &Manifest) -> Map<String, Value> {
    let host = &manifest.host;
    let mut gpus: Vec<&GpuFacts> = manifest.gpus.iter().collect();
    gpus.sort_by_key(|gpu| gpu.index);
    let mut facts = Map::new();
    facts.insert("Host".into(), json!(host.hostname));
    facts.insert("Operating system".into(), json!(host.os));
    facts.insert("CPU".into(), json!(host.cpu));
    facts.insert("Logical cores".into(), json!(host.cores));
    facts.insert("Memory".into(), json!(host.memory_bytes.map(number::bytes)));
    facts.insert("GPUs sampled".into(), json!(gpus.len()));
    for gpu in gpus {
        let named = |what: &str| format!("GPU {}{what}", gpu.index);
        facts.insert(named(""), json!(gpu.name));
        facts.insert(
            named(", memory"),
            json!(gpu.memory_bytes.map(number::bytes)),
        );
        let limit = gpu.power_limit_watts.map(|watts| format!("{watts} W"));
        facts.insert(named(", power limit"), json!(limit));
        facts.insert(named(", driver"), json!(gpu.driver));
    }
    facts
}
