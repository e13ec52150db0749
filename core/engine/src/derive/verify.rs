//! Checks the facts of a run folder as an auditor would. The rules are the
//! model's; whether the derived files match is for the caller.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use inferbench_model::cell::row::CellKey;
use inferbench_model::config::{Config, Level};
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::plan::RunPlan;
use inferbench_model::plan::sample_size::{MIN_REPEATS, MIN_REQUESTS};
use inferbench_model::plan::seed;
use inferbench_model::report::FairnessState;
use inferbench_model::report::verdict::compare::FAILED_LIMIT;
use inferbench_model::verify::{
    CLIENT, COMPLETE, CellAudit, FAILED, FILES, PLANNED, PLUGINS, REAL, REPEATS, SAME_WORK,
    SAMPLES, Verification,
};

use crate::derive::Derived;
use crate::store::hash::{file_facts, file_sha256};
use crate::store::{LineFile, RunFolder, StoreError};

/// Checks the facts in `folder` and what follows from them against every rule but
/// that of the derived files.
///
/// # Errors
/// If a file that is there cannot be read.
pub fn verify(folder: &Path, derived: &Derived) -> Result<Verification, StoreError> {
    let run = RunFolder::open(folder);
    let manifest = &derived.manifest;
    let mut found = Verification::default();
    files(&run, manifest, &mut found)?;
    if let Ok(config) = serde_json::from_value::<Config>(manifest.config.clone()) {
        plan(manifest, &config, &mut found);
        records(&run, manifest, &config, &mut found)?;
    }
    cells(derived, &mut found);
    backends(derived, &mut found);
    Ok(found)
}

fn files(run: &RunFolder, manifest: &Manifest, found: &mut Verification) -> Result<(), StoreError> {
    if manifest.files.is_empty() {
        found.cannot(
            FILES,
            "run.json has no hashes: the run did not come to its end",
        );
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
    Ok(())
}

fn plan(manifest: &Manifest, config: &Config, found: &mut Verification) {
    if RunPlan::new(config) != manifest.plan {
        found.find(PLANNED, "run.json", "its plan is not that of its config");
    }
    let mut planned: HashMap<String, bool> = HashMap::new();
    for stage in &manifest.plan.stages {
        for level in stage.levels.iter().map(|planned| planned.level) {
            planned.insert(words_of(&stage.backend, stage.block, level), false);
        }
    }
    for cell in &manifest.cells {
        let name = name_of(&cell.key);
        match planned.get_mut(&name) {
            Some(measured) => *measured |= cell.complete,
            None => found.find(PLANNED, &name, "it is not in the plan"),
        }
    }
    let mut missing: Vec<&String> = planned
        .iter()
        .filter(|(_, m)| !**m)
        .map(|(n, _)| n)
        .collect();
    missing.sort_unstable();
    for name in missing {
        found.find(COMPLETE, name, "it was not measured to its end");
    }
}

fn name_of(key: &CellKey) -> String {
    words_of(&key.backend, key.block, key.level)
}

fn words_of(backend: &str, block: u32, level: Level) -> String {
    format!("{backend} at {level}, repeat {}", block + 1)
}

fn records(
    run: &RunFolder,
    manifest: &Manifest,
    config: &Config,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let facts: HashMap<String, _> = manifest
        .cells
        .iter()
        .map(|cell| (name_of(&cell.key), cell))
        .collect();
    let mut audits: BTreeMap<String, (CellAudit, u32, Level)> = BTreeMap::new();
    let mut line = 0_u64;
    let file = LineFile::open(&run.file("requests.jsonl"))?;
    file.each(|record: RequestRecord| {
        line += 1;
        let name = words_of(&record.backend, record.block, record.level);
        let (audit, ..) = audits.entry(name.clone()).or_insert_with(|| {
            let facts = facts.get(&name).copied();
            (CellAudit::new(name, facts), record.block, record.level)
        });
        audit.take(&record, &format!("requests.jsonl line {line}"), found);
    })?;
    let levels = config.load.levels();
    for (name, (audit, block, level)) in audits {
        let Some(index) = levels.iter().position(|known| *known == level) else {
            found.find(PLANNED, &name, "its level is not in the config");
            continue;
        };
        let seed = seed::arrivals(config.seed, block, index);
        audit.finish(level, (&config.load, seed), found);
    }
    Ok(())
}

fn cells(derived: &Derived, found: &mut Verification) {
    for cell in &derived.cells.cells {
        let name = words_of(&cell.backend, cell.block, cell.level);
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
            let why: Vec<String> = cell
                .breaches
                .iter()
                .map(|breach| breach.text.clone())
                .collect();
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
        let words = format!("{} repeats", derived.report.blocks);
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
