//! `verify`: what an auditor would do with a run folder.

use std::fs;
use std::path::Path;

use inferbench_engine::derive::derive;
use inferbench_engine::derive::verify::verify as verify_facts;
use inferbench_model::verify::{DERIVED, RuleResult, Severity, Verification};

use super::derived;
use super::output::print_json;
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};

pub(super) fn verify(folder: &Path, output: OutputArgs) -> Result<Code, CliError> {
    let follows = derive(folder)?;
    let mut found = verify_facts(folder, &follows)?;
    for (name, fill) in derived::files(&follows)? {
        let mut bytes = Vec::new();
        fill(&mut bytes).map_err(CliError::Rendered)?;
        match fs::read(folder.join(name)) {
            Ok(there) if there == bytes => {}
            Ok(there) => found.find(DERIVED, name, unlike(&there, &bytes)),
            Err(error) => found.find(DERIVED, name, format!("it cannot be read: {error}")),
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

/// What is wrong with a derived file that is not what this build makes.
fn unlike(there: &[u8], made: &[u8]) -> String {
    let version = |bytes: &[u8]| -> Option<u64> {
        let file: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        file["schema_version"].as_u64()
    };
    match (version(there), version(made)) {
        (Some(was), Some(is)) if was != is => {
            format!("it has schema_version {was}, this build writes {is}")
        }
        _ => "it is not what follows from the facts".to_owned(),
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
    let of = |severity| {
        let rules = found.rules.iter().filter(|rule| rule.severity == severity);
        rules.filter(|rule| rule.count > 0).count()
    };
    let (reject, flag, note) = (of(Severity::Reject), of(Severity::Flag), of(Severity::Note));
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
