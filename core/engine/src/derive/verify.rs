//! Checks the facts of a run folder as an auditor would. The rules are the
//! model's; whether the derived files match is for the caller.

use std::collections::HashMap;
use std::path::Path;

use inferbench_model::config::{Config, Level};
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::manifest::{ExitState, Manifest, RUN_SCHEMA_VERSION};
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::plan::RunPlan;
use inferbench_model::plan::sample_size::{MIN_REPEATS, MIN_REQUESTS};
use inferbench_model::plan::seed;
use inferbench_model::report::{FAILED_LIMIT, FairnessState, warning_words};
use inferbench_model::text::number::counted;
use inferbench_model::verify::{
    ASKED, AskedByPlan, CLIENT, COMPLETE, CellAudit, FAILED, FILES, ORIGIN, PLANNED, PLUGINS, REAL,
    REPEATS, RecordRules, SAME_WORK, SAMPLES, SEALED, SHARDS, Verification,
};

use crate::derive::{Derived, searched};
use crate::store::hash::{file_facts, file_sha256};
use crate::store::{LineFile, RunFolder, StoreError, not_as_left, read_json, seal};

const MANIFEST: &str = "run.json";
const REQUESTS: &str = "requests.jsonl";

/// Checks the facts in `folder` and what follows from them against every rule but
/// that of the derived files.
///
/// # Errors
/// If a file that is there cannot be read.
pub fn verify(folder: &Path, derived: &Derived) -> Result<Verification, StoreError> {
    let run = RunFolder::open(folder);
    let manifest = &derived.manifest;
    let mut found = Verification::default();
    sealed(&run, manifest, &mut found)?;
    files(&run, manifest, &mut found)?;
    shards(&run, manifest, &mut found)?;
    if let Ok(config) = serde_json::from_value::<Config>(manifest.config.clone()) {
        clock(manifest, &mut found);
        plan(manifest, &config, &mut found);
        records(&run, manifest, &config, &mut found)?;
    }
    if let Ok(config) = serde_json::from_value::<Config>(manifest.config.clone()) {
        searched::check(derived, &config, &mut found);
    }
    cells(derived, &mut found);
    backends(derived, &mut found);
    Ok(found)
}

/// Compares the manifest with the hash that it has of itself.
fn sealed(
    run: &RunFolder,
    manifest: &Manifest,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let Some(recorded) = &manifest.own_sha256 else {
        if manifest.schema_version < RUN_SCHEMA_VERSION {
            let why = "run.json has no hash of its own: an older version wrote it";
            found.cannot(SEALED, why);
        } else if manifest.exit_state == ExitState::Running {
            let why = "run.json has no hash of its own: the run did not come to its end";
            found.cannot(SEALED, why);
        } else {
            found.find(SEALED, "run.json", "its hash of its own is gone");
        }
        return Ok(());
    };
    let is = seal::own_sha256(&run.file(MANIFEST), recorded)?;
    if is != *recorded {
        let words = format!("it has SHA-256 {is} of its own, it says {recorded}");
        found.find(SEALED, "run.json", words);
    }
    Ok(())
}

fn files(run: &RunFolder, manifest: &Manifest, found: &mut Verification) -> Result<(), StoreError> {
    if manifest.files.is_empty() {
        if manifest.exit_state == ExitState::Running {
            let why = "run.json has no hashes: the run did not come to its end";
            found.cannot(FILES, why);
        } else {
            found.find(FILES, "run.json", "the hashes of its files are gone");
        }
        return Ok(());
    }
    let there = file_facts(run)?;
    for (name, recorded) in &manifest.files {
        match there.get(name) {
            None => found.find(FILES, name, "it is not there"),
            Some(is) if is != recorded => {
                let words = format!(
                    "it has {} bytes and SHA-256 {}, run.json says {} and {}",
                    is.bytes, is.sha256, recorded.bytes, recorded.sha256
                );
                found.find(FILES, name, words);
            }
            Some(_) => {}
        }
    }
    // Whatever is there is read, so that it would change what follows.
    for name in there
        .keys()
        .filter(|name| !manifest.files.contains_key(*name))
    {
        found.find(FILES, name, "run.json does not list it");
    }
    Ok(())
}

/// Whether what is kept of each shard is what its run left, and was merged.
fn shards(
    run: &RunFolder,
    manifest: &Manifest,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let Some(merged) = &manifest.merged else {
        return Ok(());
    };
    for changed in &merged.changed {
        for file in &changed.files {
            let words = "it was changed after the run, and merged all the same";
            found.find(SHARDS, format!("shard {}: {file}", changed.shard), words);
        }
    }
    let is_told = |shard: u32| merged.changed.iter().any(|changed| changed.shard == shard);
    for shard in &merged.shards {
        let place = format!("shards/{}", shard.index);
        let own = RunFolder::open(&run.file(&place));
        let file = own.file(MANIFEST);
        if file_sha256(&file) != shard.run_sha256 {
            let words = "it is not that of the shard that was merged, or gone";
            found.find(SHARDS, format!("{place}/{MANIFEST}"), words);
        } else if !is_told(shard.index) {
            let left: Manifest = read_json(&file)?;
            for altered in not_as_left(&own, &left, Some(REQUESTS))? {
                found.find(SHARDS, &place, altered.to_string());
            }
        }
    }
    Ok(())
}

/// Whether the run began before its first cell and ended after its last one.
fn clock(manifest: &Manifest, found: &mut Verification) {
    let (Some(first), Some(last)) = (manifest.anchors.first(), manifest.anchors.last()) else {
        found.find(ORIGIN, "run.json", "it has no times on both clocks");
        return;
    };
    let has_end = manifest.exit_state != ExitState::Running;
    for cell in &manifest.cells {
        let is_after = has_end && cell.end_ns > last.monotonic_ns;
        if is_after || cell.start_ns < first.monotonic_ns || cell.end_ns < cell.start_ns {
            let words = format!(
                "it goes from {} to {}, the run from {} to {}",
                cell.start_ns, cell.end_ns, first.monotonic_ns, last.monotonic_ns
            );
            found.find(ORIGIN, &cell.key, words);
        }
    }
}

fn plan(manifest: &Manifest, config: &Config, found: &mut Verification) {
    let mut plan = manifest.plan.clone();
    if config.load.search.is_some() || config.tune.is_some() {
        plan.stages
            .iter_mut()
            .for_each(|stage| stage.levels.clear());
    }
    if RunPlan::new(config) != plan {
        found.find(PLANNED, "run.json", "its plan is not that of its config");
    }
    let mut planned: HashMap<CellKey, bool> = HashMap::new();
    for stage in &manifest.plan.stages {
        for level in stage.levels.iter().map(|planned| planned.level) {
            planned.insert(key_of(&stage.backend, stage.block, level), false);
        }
    }
    for cell in &manifest.cells {
        match planned.get_mut(&cell.key) {
            Some(measured) => *measured |= cell.complete,
            None => found.find(PLANNED, &cell.key, "it is not in the plan"),
        }
    }
    let missing = planned.iter().filter(|(_, measured)| !**measured);
    let mut missing: Vec<String> = missing.map(|(key, _)| key.to_string()).collect();
    missing.sort_unstable();
    // A point that fails is what a tuning finds of it; a server for others measures nothing.
    let says_done = manifest.exit_state == ExitState::Done
        && config.tune.is_none()
        && !manifest.cells.is_empty();
    for name in missing {
        if says_done {
            let words = "it was not measured to its end, and the run says that it is done";
            found.find(ASKED, &name, words);
        }
        found.find(COMPLETE, name, "it was not measured to its end");
    }
}

fn key_of(backend: &str, block: u32, level: Level) -> CellKey {
    CellKey {
        backend: backend.to_owned(),
        block,
        level,
    }
}

fn records(
    run: &RunFolder,
    manifest: &Manifest,
    config: &Config,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let of_cells = manifest.cells.iter();
    let facts: HashMap<&CellKey, _> = of_cells.map(|cell| (&cell.key, cell)).collect();
    let mut audits: HashMap<CellKey, CellAudit<'_>> = HashMap::new();
    let rules = RecordRules::of_run_version(manifest.schema_version);
    let shards = manifest.shard_count();
    let asked = |key: &CellKey| {
        let level = config.load.level_index(key.level)?;
        Some(AskedByPlan {
            workload: &config.workload,
            block: key.block,
            level,
        })
    };
    let audit_of = |key: &CellKey| {
        let facts = facts.get(key).copied();
        CellAudit::new(key.to_string(), facts, rules, asked(key))
            .of_shards(shards)
            .of_replicas(manifest.replicas_of(&key.backend).len())
    };
    // Those without a record are looked at too.
    for cell in &manifest.cells {
        audits.insert(cell.key.clone(), audit_of(&cell.key));
    }
    let mut line = 0_u64;
    let file = LineFile::open(&run.file(REQUESTS))?;
    file.each(|record: RequestRecord| {
        line += 1;
        let key = key_of(&record.backend, record.block, record.level);
        let audit = audits.entry(key).or_insert_with_key(audit_of);
        audit.take(&record, &format!("{REQUESTS} line {line}"), found);
    })?;
    let mut audits: Vec<(CellKey, CellAudit<'_>)> = audits.into_iter().collect();
    audits.sort_by_cached_key(|(key, _)| key.to_string());
    for (key, audit) in audits {
        let Some(place) = config.load.level_index(key.level) else {
            found.find(PLANNED, &key, "its level is not one of the config");
            continue;
        };
        let seed = seed::arrivals(config.seed, key.block, place);
        audit.finish(key.level, (&config.load_in(key.block), seed), found);
    }
    Ok(())
}

fn cells(derived: &Derived, found: &mut Verification) {
    for cell in &derived.cells.cells {
        let name = key_of(&cell.backend, cell.block, cell.level);
        let all = cell.counts.ok + cell.counts.failed;
        if cell.counts.ok < MIN_REQUESTS {
            found.find(
                SAMPLES,
                &name,
                format!("{} successful requests", cell.counts.ok),
            );
        }
        if all > 0 && cell.counts.failed as f64 > FAILED_LIMIT * all as f64 {
            found.find(
                FAILED,
                &name,
                format!("{} of {all} failed", cell.counts.failed),
            );
        }
        if !cell.trustworthy {
            let broken = cell.warnings.iter();
            let broken = broken.filter(|kind| kind.code().breaks_trust());
            let why: Vec<String> = broken.map(warning_words).collect();
            found.find(CLIENT, &name, why.join("; "));
        }
    }
}

fn backends(derived: &Derived, found: &mut Verification) {
    let manifest = &derived.manifest;
    for row in &derived.report.fairness.rows {
        if row.state == FairnessState::Differs && row.explained.is_none() {
            found.find(SAME_WORK, &row.what, "it differs between the backends");
        }
    }
    if derived.report.blocks < MIN_REPEATS {
        let words = counted(derived.report.blocks.into(), "repeat");
        found.find(REPEATS, "run.json", words);
    }
    for backend in &manifest.backends {
        if backend.simulated {
            found.find(REAL, &backend.label, "it is simulated");
        }
        let is = file_sha256(Path::new(&backend.plugin_file));
        if is != backend.plugin_sha256 {
            let words = format!("{} is another file now, or gone", backend.plugin_file);
            found.find(PLUGINS, &backend.label, words);
        }
    }
}
