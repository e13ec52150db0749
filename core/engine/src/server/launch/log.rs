//! Reads the last lines of a server's logs. What they mean is for their readers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of a log that are shown when something went wrong.
const TAIL_LINES: usize = 20;
/// Longest line that is shown, characters.
const LINE_CHARS: usize = 400;
/// Bytes from the end of each file that are read: some hundred lines of traces.
const END_BYTES: u64 = 256 * 1024;

/// Last lines of a stage's standard error, or of its output if there are none.
#[must_use]
pub fn log_tail(folder: &Path) -> Vec<String> {
    let tail = |name: &str| {
        let lines = end_of(&folder.join(name));
        let from = lines.len().saturating_sub(TAIL_LINES);
        let shown = lines[from..].iter();
        let shown = shown.map(|line| line.chars().take(LINE_CHARS).collect());
        shown.collect::<Vec<String>>()
    };
    let errors = tail("stderr.log");
    if errors.is_empty() {
        tail("stdout.log")
    } else {
        errors
    }
}

/// The end of all that a stage wrote, its standard error last.
pub(crate) fn last_lines(folder: &Path) -> Vec<String> {
    let files = ["stdout.log", "stderr.log"];
    let lines = files.iter().flat_map(|name| end_of(&folder.join(name)));
    lines.collect()
}

/// Lines at the end of a file that are not blank. A file that cannot be read has
/// none.
fn end_of(path: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))?;
        file.take(END_BYTES).read_to_end(&mut bytes)
    });
    drop(read);
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(str::to_owned).collect()
}
