//! `prompts --from-log`: a trace of a proxy's log, without its text.

use std::path::Path;

use inferbench_engine::prompts::trace_of_log;
use inferbench_model::text::number::counted;

use super::written_to;
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use crate::say;

pub(super) fn write_trace(
    log: &Path,
    file: Option<&Path>,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let trace = trace_of_log(log).map_err(CliError::Log)?;
    written_to(file, |into, failed| {
        for row in &trace.rows {
            let line = serde_json::to_string(row).map_err(|e| failed(e.into()))?;
            writeln!(into, "{line}").map_err(failed)?;
        }
        into.flush().map_err(failed)
    })?;
    if !output.quiet {
        let made = counted(trace.rows.len() as u64, "request");
        let left_out = trace.left_out.iter();
        let left_out = left_out.map(|(why, rows)| format!("{rows} left out: {why}"));
        let all: Vec<String> = std::iter::once(made).chain(left_out).collect();
        say::err(format_args!("{}: {}", log.display(), all.join("; ")));
    }
    Ok(Code::Done)
}
