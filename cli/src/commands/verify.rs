//! `verify`: checks a run folder against the audit rules.

use std::path::Path;

use inferbench_engine::capture::compare;
use inferbench_engine::derive::verify::verify as verify_facts;
use inferbench_engine::derive::{Derived, derive};
use inferbench_engine::os::files;
use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::run::verify_origin;
use inferbench_model::cell::row::CELLS_SCHEMA_VERSION;
use inferbench_model::facts::manifest::RUN_SCHEMA_VERSION;
use inferbench_model::verify::{DERIVED, RuleResult, Severity, Verification, WIRE, WIRE_SOME};

use super::derived;
use super::inputs::load_plugins;
use super::output::print_json;
use super::wire;
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};

/// Largest derived file that is compared: a page of thousands of cells does not come near it.
const DERIVED_BYTES: u64 = 1 << 30;

pub(super) fn verify(
    folder: &Path,
    capture: Option<&Path>,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let rebuilt = derive(folder)?;
    let mut found = verify_facts(folder, &rebuilt)?;
    check_derived_files(folder, &rebuilt, &mut found)?;
    let backends = rebuilt.manifest.backends.iter();
    let names = backends.map(|backend| backend.plugin.as_str());
    let host = load_plugins(search, names, output.verbose);
    verify_origin(&rebuilt.manifest, &host, &mut found);
    match capture {
        Some(file) => {
            let manifest = &rebuilt.manifest;
            found.wire = Some(compare(folder, manifest, &host, file, &mut found)?);
        }
        None => {
            for rule in [WIRE, WIRE_SOME] {
                found.cannot(rule, "no capture was given: --capture FILE");
            }
        }
    }
    if output.json {
        print_json(&found)?;
    } else {
        show(&found, output.quiet);
    }
    Ok(if found.accepted {
        Code::Done
    } else {
        Code::GateNotMet
    })
}

/// Compares every derived file with what follows from the facts. Files that an
/// older version derived cannot be compared with this one's.
fn check_derived_files(
    folder: &Path,
    rebuilt: &Derived,
    found: &mut Verification,
) -> Result<(), CliError> {
    let cells = files::read(&folder.join("cells.json"), DERIVED_BYTES).unwrap_or_default();
    let was = schema_version(&cells).filter(|was| *was < u64::from(CELLS_SCHEMA_VERSION));
    let of_older_run = rebuilt.manifest.schema_version < RUN_SCHEMA_VERSION;
    if let Some(was) = was.filter(|_| of_older_run) {
        let why = format!(
            "derived by an older version (cells.json has schema_version {was}, this build writes {CELLS_SCHEMA_VERSION}): run `inferbench report` first"
        );
        found.cannot(DERIVED, why);
        return Ok(());
    }
    for (name, fill) in derived::files(rebuilt)? {
        let mut bytes = Vec::new();
        fill(&mut bytes).map_err(CliError::Rendered)?;
        match files::read(&folder.join(name), DERIVED_BYTES) {
            Ok(there) if there == bytes => {}
            Ok(there) => found.find(DERIVED, name, unlike(&there, &bytes)),
            Err(error) => found.find(DERIVED, name, format!("cannot be read: {error}")),
        }
    }
    Ok(())
}

fn schema_version(bytes: &[u8]) -> Option<u64> {
    let file: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    file["schema_version"].as_u64()
}

/// How a derived file differs from what this build writes.
fn unlike(there: &[u8], made: &[u8]) -> String {
    match (schema_version(there), schema_version(made)) {
        (Some(was), Some(is)) if was != is => {
            format!("has schema_version {was}, this build writes {is}")
        }
        _ => "does not follow from the facts".to_owned(),
    }
}

fn show(found: &Verification, quiet: bool) {
    for rule in &found.rules {
        if quiet && rule.count == 0 {
            continue;
        }
        println!("{}  {:<6}  {}", rule.id, state(rule), rule.claim);
        for finding in &rule.findings {
            println!("             {}: {}", finding.place, finding.words);
        }
        let more = rule.count - rule.findings.len() as u64;
        if more > 0 {
            println!("             and {more} more");
        }
        if let Some(why) = &rule.unchecked {
            println!("             {why}");
        }
    }
    if let Some(comparison) = &found.wire {
        for line in wire::lines(comparison) {
            println!("{line}");
        }
    }
    let broken = |severity| {
        let rules = found.rules.iter().filter(|rule| rule.severity == severity);
        rules.filter(|rule| rule.count > 0).count()
    };
    let (reject, flag, note) = (
        broken(Severity::Reject),
        broken(Severity::Flag),
        broken(Severity::Note),
    );
    let verdict = if found.accepted {
        "accepted"
    } else {
        "rejected"
    };
    println!("{verdict}: {reject} rules reject, {flag} flag, {note} note");
}

fn state(rule: &RuleResult) -> &'static str {
    match (&rule.unchecked, rule.count) {
        (Some(_), _) => "?",
        (None, 0) => "ok",
        (None, _) => rule.severity.word(),
    }
}
