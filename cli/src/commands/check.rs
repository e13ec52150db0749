//! `plugins check`: the conformance suite on a built library, in a child process
//! that the plugin may crash.

use std::path::PathBuf;
use std::time::Duration;

use inferbench_engine::plugins::check::{self, ChildWork, PluginCheck, PluginCheckReport};
use serde_json::json;

use super::output::print_json;
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};

/// The arguments of `plugins check`.
#[derive(Debug)]
pub(super) struct CheckArgs {
    pub(super) file: PathBuf,
    pub(super) exchanges: Option<PathBuf>,
    pub(super) limit: Duration,
    pub(super) trust_dir: bool,
}

pub(super) fn check(args: CheckArgs, output: OutputArgs) -> Result<Code, CliError> {
    let shown = args.file.display().to_string();
    // A missing file is an error of the command line, not of the plugin.
    std::fs::metadata(&args.file).map_err(|source| CliError::Unreadable {
        file: shown.clone(),
        source,
    })?;
    let program = std::env::current_exe().map_err(|source| CliError::Unreadable {
        file: "inferbench".to_owned(),
        source,
    })?;
    let report = check::check(
        &program,
        &PluginCheck {
            file: args.file,
            exchanges: args.exchanges,
            trust_dir: args.trust_dir,
            limit: args.limit,
        },
    )?;
    if output.json {
        print_json(&json!({
            "file": shown,
            "passed": report.passed(),
            "report": report,
        }))?;
    } else {
        show(&shown, &report, output);
    }
    Ok(if report.passed() {
        Code::Done
    } else {
        Code::GateNotMet
    })
}

fn show(file: &str, report: &PluginCheckReport, output: OutputArgs) {
    let several = report.backends.len() > 1;
    for checked in &report.checks {
        let about = match &checked.backend {
            Some(backend) if several => format!("{backend}: "),
            _ => String::new(),
        };
        match &checked.reason {
            None if output.quiet => {}
            None => println!("ok    {about}{}", checked.check),
            Some(reason) => println!("FAIL  {about}{}: {reason}", checked.check),
        }
    }
    for note in &report.notes {
        println!("note  {note}");
    }
    let all = report.checks.len();
    let failed = report.checks.iter().filter(|c| c.reason.is_some()).count();
    let names = match report.backends.as_slice() {
        [] => String::new(),
        names => format!(" (backends: {})", names.join(", ")),
    };
    if failed == 0 {
        println!("{file}{names}: all {all} checks pass");
    } else {
        println!("{file}{names}: {failed} of {all} checks fail");
    }
}

/// Runs the checks inside this process, the child.
pub(super) fn child(work: &ChildWork<'_>) -> Result<Code, CliError> {
    check::child_main(work)?;
    Ok(Code::Done)
}
