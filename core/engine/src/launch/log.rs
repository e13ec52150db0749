//! What a server wrote.

use std::fs;
use std::path::Path;

/// Lines of a log that are shown when something went wrong.
const TAIL_LINES: usize = 20;

/// Last lines of a stage's standard error, or of its output if there are none.
#[must_use]
pub fn log_tail(folder: &Path) -> Vec<String> {
    let tail = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().rev();
        let lines = lines
            .filter(|line| !line.trim().is_empty())
            .take(TAIL_LINES);
        let mut lines: Vec<String> = lines.map(|line| line.chars().take(400).collect()).collect();
        lines.reverse();
        lines
    };
    let errors = tail("stderr.log");
    if errors.is_empty() {
        tail("stdout.log")
    } else {
        errors
    }
}
