//! Reads the log of a proxy and keeps nothing of its text.

use std::collections::BTreeMap;
use std::path::Path;

use inferbench_model::prompts::proxy_log::{TextRemover, TraceRow, put_in_order};
use inferbench_model::prompts::row::RowFault;
use rustix::rand::GetRandomFlags;

use super::error::PromptFileError;
use super::rows::RowReader;
use super::scan::reasons;

/// A log without its text.
#[derive(Debug)]
pub struct LogTrace {
    /// Its requests, in the order of their times.
    pub rows: Vec<TraceRow>,
    /// Rows that are no request of a trace, by the reason.
    pub left_out: BTreeMap<String, u64>,
}

/// Reads a log of one JSON object a line.
///
/// # Errors
/// If it cannot be read, a row is no JSON object, or no row can be used.
pub fn trace_of_log(path: &Path) -> Result<LogTrace, PromptFileError> {
    let mut reader = RowReader::open(path)?;
    // Random and not kept, so that nobody can try texts against the hashes.
    let mut salt = [0; 16];
    let filled = rustix::rand::getrandom(&mut salt, GetRandomFlags::empty());
    filled.map_err(|error| PromptFileError::unreadable(path, error))?;
    let mut remover = TextRemover::new(salt);
    let (mut rows, mut left_out) = (Vec::new(), BTreeMap::new());
    while let Some(row) = reader.next()? {
        match remover.read(row) {
            Ok(row) => rows.push(row),
            Err(RowFault::Dropped(why)) => *left_out.entry(why).or_default() += 1,
            Err(fault @ RowFault::Wrong(_)) => return Err(reader.wrong(fault)),
        }
    }
    if rows.is_empty() {
        let file = path.display().to_string();
        return Err(match left_out.is_empty() {
            true => PromptFileError::Empty { file },
            false => PromptFileError::NoneKept {
                file,
                rows: left_out.values().sum(),
                reasons: reasons(&left_out),
            },
        });
    }
    put_in_order(&mut rows);
    Ok(LogTrace { rows, left_out })
}
