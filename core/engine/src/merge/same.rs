//! Whether shards are of one run: same config, version, plugins, prompts, servers and
//! start.

use std::path::{Path, PathBuf};

use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::samples::Evidence;
use inferbench_model::facts::shard::ShardFacts;
use inferbench_model::text::difference::differences;

use super::error::MergeError;

/// Keys of the config that may differ from shard to shard.
const FREE_KEYS: [&str; 1] = ["output"];

/// A shard's folder and what it recorded.
#[derive(Debug, Clone)]
pub(super) struct ShardFolder {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) facts: ShardFacts,
}

/// One thing that must be the same.
type Fact = (String, String);

/// Refuses two shards that are not of one run.
///
/// # Errors
/// `Differs`, with the first thing that does.
pub(super) fn must_be_of_one_run(one: &ShardFolder, other: &ShardFolder) -> Result<(), MergeError> {
    let refuse = |what: String, one_has: String, other_has: String| MergeError::Differs {
        one: one.path.clone(),
        other: other.path.clone(),
        what,
        one_has,
        other_has,
    };
    let configs = differences(&one.manifest.config, &other.manifest.config);
    let mut configs = configs.into_iter();
    if let Some(found) = configs.find(|found| !FREE_KEYS.contains(&found.path.as_str())) {
        let what = format!("the config's `{}`", found.path);
        return Err(refuse(
            what,
            text(found.was.as_ref()),
            text(found.is.as_ref()),
        ));
    }
    let pairs = facts(one).into_iter().zip(facts(other));
    for ((what, one_has), (_, other_has)) in pairs {
        if one_has != other_has {
            return Err(refuse(what, one_has, other_has));
        }
    }
    compare_starts(one, other, &refuse)
}

/// Refuses two shards that came to their end and have not measured the same cells.
///
/// # Errors
/// `Differs`.
pub(super) fn must_have_same_cells(
    one: &ShardFolder,
    other: &ShardFolder,
) -> Result<(), MergeError> {
    let cells = |shard: &ShardFolder| {
        let keys = shard.manifest.cells.iter().map(|cell| cell.key.to_string());
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys
    };
    let (one_has, other_has) = (cells(one), cells(other));
    if one_has == other_has {
        return Ok(());
    }
    let only = |own: &[String], others: &[String]| {
        let first = own.iter().find(|key| !others.contains(key));
        first.map_or_else(|| "fewer".to_owned(), Clone::clone)
    };
    Err(MergeError::Differs {
        one: one.path.clone(),
        other: other.path.clone(),
        what: "what was measured".to_owned(),
        one_has: only(&one_has, &other_has),
        other_has: only(&other_has, &one_has),
    })
}

/// What must be the same, besides the config; the same things in the same order for all
/// shards of a config.
fn facts(shard: &ShardFolder) -> Vec<Fact> {
    let manifest = &shard.manifest;
    let mut found = vec![
        (
            "the number of shards".to_owned(),
            shard.facts.shard.count().to_string(),
        ),
        (
            "InferBench's version".to_owned(),
            manifest.inferbench_version.clone(),
        ),
    ];
    let prompts = manifest.workload_sha256.clone().unwrap_or_default();
    found.push(("the prompts' SHA-256".to_owned(), prompts));
    let backends = manifest.backends.len().to_string();
    found.push(("the number of backends".to_owned(), backends));
    for backend in &manifest.backends {
        let plugin = format!("{} {}", backend.plugin_version, backend.plugin_sha256);
        found.push((format!("the plugin of {}", backend.label), plugin));
    }
    found
}

/// Compares the starts of the cells, and the servers, that both shards have.
fn compare_starts(
    one: &ShardFolder,
    other: &ShardFolder,
    refuse: &dyn Fn(String, String, String) -> MergeError,
) -> Result<(), MergeError> {
    for start in &one.facts.starts {
        let mut others = other.facts.starts.iter();
        if let Some(same) = others.find(|same| same.key == start.key)
            && same.start_at_ns != start.start_at_ns
        {
            let what = format!("the start of {}, ns since 1970,", start.key);
            let (one_has, other_has) = (start.start_at_ns, same.start_at_ns);
            return Err(refuse(what, one_has.to_string(), other_has.to_string()));
        }
    }
    for stage in &one.manifest.stages {
        let mut others = other.manifest.stages.iter();
        let same = others.find(|same| same.backend == stage.backend && same.block == stage.block);
        let Some(same) = same else { continue };
        let (a, b) = (&stage.evidence, &same.evidence);
        let started = |said: &Evidence| said.started_unix_s.map(|at_s| format!("{at_s:.2}"));
        for (what, one_has, other_has) in [
            ("model", a.model.clone(), b.model.clone()),
            ("version", a.version.clone(), b.version.clone()),
            ("start, s since 1970,", started(a), started(b)),
        ] {
            if let (Some(one_has), Some(other_has)) = (one_has, other_has)
                && one_has != other_has
            {
                let what = format!("the {what} of the server of {}", stage.backend);
                return Err(refuse(what, one_has, other_has));
            }
        }
    }
    Ok(())
}

fn text(value: Option<&serde_json::Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// Refuses a shard twice.
///
/// # Errors
/// `Twice`.
pub(super) fn must_be_distinct(shards: &[ShardFolder]) -> Result<(), MergeError> {
    for (place, shard) in shards.iter().enumerate() {
        let mut before = shards[..place].iter();
        if let Some(same) =
            before.find(|same| same.facts.shard.index() == shard.facts.shard.index())
        {
            let path = |path: &Path| path.to_owned();
            return Err(MergeError::Twice {
                one: path(&same.path),
                other: path(&shard.path),
                shard: shard.facts.shard,
            });
        }
    }
    Ok(())
}
